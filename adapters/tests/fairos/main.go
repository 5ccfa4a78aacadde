// Command servers runs FairOS-DFS for tests, and the Bee inside of it.
//
// `dfs dev` listens on a fixed port of every interface. So it runs in a network namespace that has nothing but
// a loopback of its own, and this command carries connections to it from free ports of the ordinary loopback,
// which it prints as one line of JSON: {"fairos": "127.0.0.1:PORT", "bee": "127.0.0.1:PORT"}.
//
// It ends, and ends the server, when its standard input does. The program `dfs` is expected beside it:
// `go build -o FOLDER . tool` makes both.
//
// A socket belongs to the namespace it was made in, whoever holds it: the listeners are made outside and handed
// to a second process of this command inside, which accepts from them and connects to the server.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Where `dfs dev` serves.
	fairosInside = "127.0.0.1:9090"
	// What `dfs dev` says before the address of its Bee.
	beeSays = "Bee running at:"
	// How long the server may take to answer.
	startWithin = 60 * time.Second
	// How long to wait between two looks at whether it answers.
	lookEvery = 20 * time.Millisecond
)

// Addresses is where the servers can be reached.
type Addresses struct {
	Fairos string `json:"fairos"`
	Bee    string `json:"bee"`
}

func main() {
	// A child is told to die with the thread that made it.
	runtime.LockOSThread()
	var err error
	switch {
	case len(os.Args) == 1:
		err = outside()
	case len(os.Args) == 2 && os.Args[1] == "inside":
		err = inside()
	default:
		err = fmt.Errorf("there are no arguments")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		os.Exit(1)
	}
}

// outside makes the listeners and starts the process inside.
func outside() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.Command(self, "inside")
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	for range 2 {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		file, err := listener.(*net.TCPListener).File()
		if err != nil {
			return err
		}
		command.ExtraFiles = append(command.ExtraFiles, file)
	}
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	if os.Getuid() != 0 {
		// Whoever is not root may have a network namespace in a user namespace, where that is allowed.
		command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("no network namespace: %w", err)
	}
	return command.Wait()
}

// inside starts the server and carries connections to it until standard input ends.
func inside() error {
	if err := raiseLoopback(); err != nil {
		return fmt.Errorf("the loopback of the namespace: %w", err)
	}
	fairos, err := net.FileListener(os.NewFile(3, "fairos"))
	if err != nil {
		return err
	}
	bee, err := net.FileListener(os.NewFile(4, "bee"))
	if err != nil {
		return err
	}

	home, err := os.MkdirTemp("", "fairos")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dfs := filepath.Join(filepath.Dir(self), "dfs")
	command := exec.Command(dfs, "dev", "--config", filepath.Join(home, "dfs.yaml"))
	command.Dir = home
	command.Env = []string{"HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("PATH")}
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	defer command.Wait()
	defer command.Process.Kill()

	beeInside, err := readBee(output)
	if err != nil {
		return err
	}
	go io.Copy(io.Discard, output) // a full pipe would stop it
	if err := awaitAnswer(fairosInside); err != nil {
		return err
	}
	go carry(fairos, fairosInside)
	go carry(bee, beeInside)
	addresses := Addresses{Fairos: fairos.Addr().String(), Bee: bee.Addr().String()}
	if err := json.NewEncoder(os.Stdout).Encode(addresses); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// raiseLoopback makes 127.0.0.1 usable: in a new namespace it is down.
func raiseLoopback() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	loopback.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, loopback)
}

// readBee reads what the server prints until it says where its Bee is.
func readBee(output io.Reader) (string, error) {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if _, address, found := strings.Cut(lines.Text(), beeSays); found {
			return strings.TrimPrefix(strings.TrimSpace(address), "http://"), nil
		}
	}
	return "", fmt.Errorf("the server ended without saying %q", beeSays)
}

// awaitAnswer waits until something accepts connections at an address.
func awaitAnswer(address string) error {
	for waited := time.Duration(0); ; waited += lookEvery {
		connection, err := net.Dial("tcp4", address)
		if err == nil {
			return connection.Close()
		}
		if waited > startWithin {
			return fmt.Errorf("the server does not answer: %w", err)
		}
		time.Sleep(lookEvery)
	}
}

// carry connects whoever comes to an address inside.
func carry(from net.Listener, to string) {
	for {
		near, err := from.Accept()
		if err != nil {
			return
		}
		go func() {
			defer near.Close()
			far, err := net.Dial("tcp4", to)
			if err != nil {
				return
			}
			defer far.Close()
			go func() {
				io.Copy(far, near)
				far.(*net.TCPConn).CloseWrite()
			}()
			io.Copy(near, far)
		}()
	}
}
