//! The actor that drives what a VC speaks for.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use actors::life::Life;
use actors::outside::{Mercy, Told};
use adapters::compute::{End, Talk};
use adapters::outside::call::CALL;
use adapters::outside::{BEGAN, ENDED, HELLO, LINE, OPEN_MAX, Program};
use genesis::id::VcId;
use genesis::refusal::{Code, Refusal};
use parking_lot::Mutex;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};

use super::call::Calls;
use super::process::{self, Line, Mouth, Owes, ToTell};
use super::{Programs, granted, job, refused};

/// How long it takes until a program that failed is started again, the first time, in milliseconds; twice as long
/// each time after.
const AGAIN_MS: u64 = 50;
const AGAIN_MS_MAX: u64 = 5_000;
/// How often it is looked whether a program is silent for too long, at the most.
const TICK_MAX: Duration = Duration::from_secs(1);

/// Lines that wait for a program to read them: more than its VC has open, and it is ended.
const LINES_WAITING_MAX: usize = 4 * OPEN_MAX;

/// Drives what a VC speaks for.
pub(super) struct Driver;

/// What a driver begins with.
pub(super) struct Args {
    pub(super) vc: VcId,
    pub(super) programs: Programs,
    pub(super) credit: Arc<Semaphore>,
}

/// What a driver is told.
#[derive(Debug)]
pub(super) enum Msg {
    /// The VC says something.
    Told(Told),
    /// What the outside said was refused.
    Refused(Refusal),
    /// The VC takes no more turns.
    Gone,
    /// Its program is to run.
    Start,
    /// Its program is to be started anew.
    Restart,
    /// A program attached itself.
    Attach(Line),
    /// The nth program ended.
    Over(u64, String, bool),
    /// Time passed, since the nth began.
    Tick(u64),
    /// The nth call of a server has its answer.
    Called(u64),
    /// The node stops.
    Close,
}

/// A driver at work.
pub(super) struct Work {
    vc: VcId,
    programs: Programs,
    mouth: Mouth,
    /// How many were started by this driver.
    number: u64,
    running: Option<Running>,
    /// Whether a start is due already.
    due: bool,
    /// The servers it calls.
    calls: Calls,
}

/// A program that runs.
struct Running {
    number: u64,
    /// Whether the VC told it where it stands: what it says before is void.
    greeted: bool,
    lines: mpsc::Sender<ToTell>,
    owes: Arc<Mutex<Owes>>,
    timeout: Option<Duration>,
    /// Ends it.
    stopper: Stopper,
    /// Why it is being ended, if it is.
    why: Option<String>,
    /// What looks whether it is silent, for as long as it runs.
    #[expect(dead_code, reason = "held, not read")]
    ticks: Option<Ticks>,
}

/// A timer that ends with what it is for.
struct Ticks(tokio::task::JoinHandle<()>);

impl Drop for Ticks {
    fn drop(&mut self) {
        self.0.abort();
    }
}

enum Stopper {
    Process(adapters::compute::Stopper),
    Attached(tokio::task::AbortHandle),
}

impl Stopper {
    fn stop(&self) {
        match self {
            Self::Process(stopper) => stopper.stop(),
            Self::Attached(task) => task.abort(),
        }
    }
}

impl Actor for Driver {
    type Msg = Msg;
    type State = Work;
    type Arguments = Args;

    async fn pre_start(&self, _: ActorRef<Msg>, args: Args) -> Result<Work, ActorProcessingErr> {
        let runtime = args.programs.runtime();
        let runtime = runtime.ok_or("the node has not begun")?;
        let mouth = Mouth {
            runtime,
            vc: args.vc,
            credit: args.credit,
            cause: None,
        };
        Ok(Work {
            vc: args.vc,
            calls: Calls::new(args.programs.clone(), mouth.clone()),
            programs: args.programs,
            mouth,
            number: 0,
            running: None,
            due: false,
        })
    }

    async fn handle(
        &self,
        me: ActorRef<Msg>,
        msg: Msg,
        work: &mut Work,
    ) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Told(told) => work.told(&me, told).await,
            Msg::Start => work.start(&me).await,
            Msg::Restart => match &mut work.running {
                Some(running) => {
                    running.why = Some(String::new());
                    running.stopper.stop();
                }
                None => work.start(&me).await,
            },
            Msg::Attach(line) => work.attach(&me, line).await,
            Msg::Refused(why) if why.code == Code::Stopped => {}
            Msg::Refused(why) => work.end(why.what),
            Msg::Tick(number) => work.look(number),
            Msg::Over(number, how, attached) => work.over(&me, number, how, attached).await,
            Msg::Called(number) => work.calls.called(number),
            // It sleeps until a server answers.
            Msg::Gone if work.calls.are_under_way() && work.sleeps().await => {}
            Msg::Gone => {
                work.leave(&me, false).await;
                me.stop(None);
            }
            Msg::Close => {
                work.leave(&me, true).await;
                me.stop(None);
            }
        }
        Ok(())
    }
}

impl Work {
    async fn told(&mut self, me: &ActorRef<Msg>, told: Told) {
        if told.channel == CALL {
            return self.calls.told(me, &told);
        }
        let Some(running) = &mut self.running else {
            // It says all of it again once there is somebody to hear it.
            if !self.due {
                self.start(me).await;
            }
            return;
        };
        if told.channel == HELLO {
            running.greeted = true;
        } else if told.channel != LINE {
            return;
        }
        if !running.greeted {
            return;
        }
        let lines = told.contents.as_text().unwrap_or_default().split('\n');
        let told = |line: &str| ToTell {
            slice: told.slice,
            reference: told.reference,
            line: line.to_owned(),
        };
        // If it has ended, that is said in a moment.
        let sent = lines.map(|line| running.lines.try_send(told(line)));
        let is_full = |sent| matches!(sent, Err(mpsc::error::TrySendError::Full(_)));
        if sent.into_iter().any(is_full) {
            self.end(format!(
                "it does not read: {LINES_WAITING_MAX} lines wait for it"
            ));
        }
    }

    async fn start(&mut self, me: &ActorRef<Msg>) {
        self.due = false;
        if self.running.is_some() {
            return;
        }
        let program = match Programs::program_of(&self.mouth.runtime, self.vc).await {
            // It attaches itself when it wants.
            Ok(Some(program)) if program.attaches() => return,
            Ok(Some(program)) => program,
            Ok(None) => return self.calls.begin().await,
            Err(why) => return self.failed(me, why.to_string()).await,
        };
        if let Err(why) = self.launch(me, program).await {
            self.failed(me, format!("it was not started: {why}")).await;
        }
    }

    async fn launch(&mut self, me: &ActorRef<Msg>, program: Program) -> Result<(), Refusal> {
        let (programs, vc) = (self.programs.clone(), self.vc);
        let launched = tokio::task::spawn_blocking(move || {
            let inner = &programs.0;
            let granted = programs.granted(vc)?;
            programs.plan(&vc.to_string(), &program, &granted)?;
            let Some(local) = &inner.local else {
                return Err(Refusal::new(Code::Denied, "this node starts no programs"));
            };
            let work = granted::furnish(&inner.folder, vc, &program.files)?;
            let talk = local
                .talk(&job(&program, &granted, work))
                .map_err(|error| refused(&error))?;
            granted::note_running(&inner.folder, vc, true)?;
            Ok((program, talk))
        });
        let launched = launched.await;
        let (program, talk) =
            launched.map_err(|error| Refusal::new(Code::Internal, error.to_string()))??;
        let Talk {
            plan,
            stdin,
            stdout,
            stderr,
            leash,
        } = talk;
        let began = json!({
            "program": program.digest().to_string(),
            "may": plan.may,
            "secrets": program.asks.secrets,
        });
        let stopper = Stopper::Process(leash.stopper());
        let line = Line {
            from: Box::new(reader(stdout)?),
            to: Box::new(writer(stdin)?),
        };
        let number = self.begin(
            me,
            line,
            stopper,
            program.timeout_ms(),
            began,
            move |me, number, read| {
                tokio::spawn(async move {
                    read.await;
                    let done = tokio::task::spawn_blocking(move || leash.wait()).await;
                    let how = match done {
                        Ok(Ok(done)) => ending(&done.end),
                        Ok(Err(error)) => error.to_string(),
                        Err(error) => error.to_string(),
                    };
                    let _ = me.cast(Msg::Over(number, how, false));
                });
            },
        );
        number.await?;
        let (runtime, vc) = (self.mouth.runtime.clone(), self.vc);
        let complaints = Box::new(reader(stderr)?);
        tokio::spawn(process::complain(runtime, vc, complaints));
        Ok(())
    }

    async fn attach(&mut self, me: &ActorRef<Msg>, line: Line) {
        if self.running.is_some() {
            // Its ends are dropped, so whoever attached hears that.
            let what =
                "a program that wanted to attach itself was refused: one is attached".to_owned();
            let _ = self.mouth.runtime.note(self.vc, what).await;
            return;
        }
        let program = Programs::program_of(&self.mouth.runtime, self.vc).await;
        let Ok(Some(program)) = program else { return };
        let waits = tokio::spawn(std::future::pending::<()>());
        let stopper = Stopper::Attached(waits.abort_handle());
        let began = json!({ "program": program.digest().to_string(), "may": ["attached"] });
        let begun = self.begin(
            me,
            line,
            stopper,
            program.timeout_ms(),
            began,
            move |me, number, read| {
                tokio::spawn(async move {
                    tokio::select! {
                        () = read => {}
                        _ = waits => {}
                    }
                    let _ = me.cast(Msg::Over(number, "it detached itself".to_owned(), true));
                });
            },
        );
        if let Err(why) = begun.await {
            tracing::warn!(%why, vc = %self.vc, "a program could not be attached");
        }
    }

    /// Says that a program began, then lets its lines flow.
    async fn begin(
        &mut self,
        me: &ActorRef<Msg>,
        line: Line,
        stopper: Stopper,
        timeout_ms: Option<u64>,
        began: serde_json::Value,
        watch: impl FnOnce(ActorRef<Msg>, u64, std::pin::Pin<Box<dyn Future<Output = ()> + Send>>),
    ) -> Result<(), Refusal> {
        self.number += 1;
        let number = self.number;
        let owes = Arc::new(Mutex::new(Owes::default()));
        let (lines, to_tell) = mpsc::channel(LINES_WAITING_MAX);
        let timeout = timeout_ms.map(Duration::from_millis);
        // Heard before anything it says.
        self.running = Some(Running {
            number,
            greeted: false,
            lines,
            owes: owes.clone(),
            timeout,
            stopper,
            why: None,
            ticks: timeout.map(|timeout| {
                let tick = (timeout / 4).clamp(Duration::from_millis(5), TICK_MAX);
                Ticks(me.send_interval(tick, move || Msg::Tick(number)))
            }),
        });
        if let Err(why) = self
            .mouth
            .say(BEGAN, began.to_string().into_bytes(), None)
            .await
        {
            if let Some(running) = self.running.take() {
                running.stopper.stop();
            }
            return Err(why);
        }
        let runtime = self.mouth.runtime.clone();
        tokio::spawn(process::write(runtime, to_tell, line.to, owes.clone()));
        let read = process::read(self.mouth.clone(), line.from, owes);
        let read = async move {
            // A VC that does not hear any more is stopped, and its driver knows.
            let _ = read.await;
        };
        watch(me.clone(), number, Box::pin(read));
        Ok(())
    }

    /// Ends a program, and says why.
    fn end(&mut self, why: String) {
        if let Some(running) = &mut self.running
            && running.why.is_none()
        {
            running.why = Some(why);
            running.stopper.stop();
        }
    }

    fn look(&mut self, number: u64) {
        let Some(running) = self
            .running
            .as_ref()
            .filter(|running| running.number == number)
        else {
            return;
        };
        let Some(timeout) = running.timeout else {
            return;
        };
        let overdue = running.owes.lock().overdue(timeout);
        if let Some(id) = overdue {
            let ms = timeout.as_millis();
            self.end(format!(
                "it was silent for {ms} ms while it had message {id} (timeout)"
            ));
        }
    }

    async fn over(&mut self, me: &ActorRef<Msg>, number: u64, how: String, attached: bool) {
        if self
            .running
            .as_ref()
            .is_none_or(|running| running.number != number)
        {
            return;
        }
        let Some(running) = self.running.take() else {
            return;
        };
        let was_ended = running.why.is_some();
        let how = running.why.unwrap_or(how);
        if how.is_empty() {
            // It is wanted anew: nothing is wrong with it.
            return self.start(me).await;
        }
        if attached && !was_ended {
            // What it had not done with waits until somebody attaches again.
            let _ = self.mouth.runtime.note(self.vc, how).await;
            return;
        }
        if how == ending(&End::Exit(0)) && running.owes.lock().is_nothing() {
            // It did what it had to, and is started again when there is more.
            let _ = self.mouth.runtime.note(self.vc, how).await;
            return;
        }
        if self
            .mouth
            .say(ENDED, how.clone().into_bytes(), None)
            .await
            .is_err()
        {
            return; // The VC has stopped.
        }
        if attached {
            let _ = self.mouth.runtime.note(self.vc, how).await;
        } else {
            self.failed(me, how).await;
        }
    }

    /// A fault, under the VC's rule of restarts.
    async fn failed(&mut self, me: &ActorRef<Msg>, why: String) {
        match self.mouth.runtime.program_failed(self.vc, why).await {
            Ok(Mercy::Again(times)) => {
                let doublings = u32::try_from(times.saturating_sub(1))
                    .unwrap_or(u32::MAX)
                    .min(16);
                let wait_ms = (AGAIN_MS << doublings).min(AGAIN_MS_MAX);
                self.due = true;
                me.send_after(Duration::from_millis(wait_ms), || Msg::Start);
            }
            Ok(Mercy::Stopped) | Err(_) => {
                self.leave(me, false).await;
                me.stop(None);
            }
        }
    }

    /// Whether its VC takes no turns only because it sleeps.
    async fn sleeps(&self) -> bool {
        let shown = self.mouth.runtime.show(self.vc).await;
        shown.is_ok_and(|shown| shown.summary.life != Life::Stopped)
    }

    /// Ends what runs. A program that ran when its node ended runs again when that begins.
    async fn leave(&mut self, me: &ActorRef<Msg>, comes_back: bool) {
        if let Some(running) = self.running.take() {
            running.stopper.stop();
        }
        self.calls.leave().await;
        if !comes_back {
            let noted = granted::note_running(&self.programs.0.folder, self.vc, false);
            if let Err(why) = noted {
                tracing::warn!(%why, vc = %self.vc, "cannot note that a program does not run");
            }
        }
        self.programs.forget(self.vc, me);
    }
}

/// How a program ended, in plain words.
fn ending(end: &End) -> String {
    match end {
        End::Exit(code) => format!("it exited with code {code}"),
        End::Signal(number) => format!("signal {number} ended it"),
        End::Limit(what) => format!("it hit its limit: {what}"),
        End::Trap(why) => format!("it trapped: {why}"),
        End::Stopped => "it was stopped".to_owned(),
    }
}

fn reader(end: OwnedFd) -> Result<tokio::net::unix::pipe::Receiver, Refusal> {
    tokio::net::unix::pipe::Receiver::from_owned_fd(end).map_err(|error| pipe(&error))
}

fn writer(end: OwnedFd) -> Result<tokio::net::unix::pipe::Sender, Refusal> {
    tokio::net::unix::pipe::Sender::from_owned_fd(end).map_err(|error| pipe(&error))
}

fn pipe(error: &std::io::Error) -> Refusal {
    Refusal::new(Code::Io, format!("a pipe to the program: {error}"))
}
