//! What `pod` takes.

use std::path::PathBuf;

use adapters::pods::{PodName, PodPath};
use clap::{Args, Subcommand};

use crate::pods::{Place, plain_name};

/// `pod`.
#[derive(Debug, Args)]
pub(crate) struct Pod {
    /// What to do.
    #[command(subcommand)]
    pub(crate) kind: PodKind,
}

/// What can be done with pods.
#[derive(Debug, Subcommand)]
pub(crate) enum PodKind {
    /// Make an empty pod
    #[command(
        after_long_help = "A private pod is encrypted; a public one can be read by everybody who has its reference.\n\n\
            Examples:\n  medium pod new notes\n  medium pod new site --public"
    )]
    New {
        /// What it is called; unique per wallet
        #[arg(value_parser = plain_name)]
        name: PodName,
        /// Do not encrypt it
        #[arg(long)]
        public: bool,
    },
    /// List pods, or what is in one
    #[command(
        after_long_help = "Examples:\n  medium pod ls\n  medium pod ls notes\n  medium pod ls notes:/2026 --at 3\n  \
            medium pod ls notes --recursive"
    )]
    Ls {
        /// POD, `POD:/path`, or a reference [default: the pods of the wallet]
        place: Option<Place>,
        /// The path in it, if it was not named yet
        path: Option<PodPath>,
        /// Everything below as well
        #[arg(long, short)]
        recursive: bool,
        /// As it was at this snapshot
        #[arg(long, value_name = "N")]
        at: Option<u64>,
    },
    /// Put a file, a directory or standard input into a pod
    #[command(
        after_long_help = "Of a directory, what is in it is put to the path that is named. A file is put to that path, or into it \
            if it ends with `/`. What is there is replaced; the rest stays. All of it becomes one snapshot.\n\n\
            Left out, and said so: what is called like a secret (.env, *.pem, id_rsa, …) and what the file \
            .mediumignore of the directory names. Refused: links that lead out of the directory, sockets, devices.\n\n\
            Examples:\n  medium pod put letter.txt notes:/\n  medium pod put ./site site:/\n  \
            date | medium pod put - notes:/now.txt"
    )]
    Put {
        /// A file, a directory, or `-` for standard input
        source: PathBuf,
        /// Where to: `POD:/path`
        to: Place,
        /// Also put what is called like a secret
        #[arg(long)]
        secrets: bool,
        /// What the snapshot is for
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Get a file or a directory out of a pod, or out of what a reference names
    #[command(
        after_long_help = "What was stopped is kept, and the same command goes on from there.\n\n\
            Examples:\n  medium pod get notes:/letter.txt\n  medium pod get notes:/letter.txt -o -\n  \
            medium pod get site:/ -o ./site --at 3"
    )]
    Get {
        /// What: `POD:/path`, or a reference with or without a path
        from: Place,
        /// Where to [default: its name, here]; `-` is standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Overwrite a file that is there
        #[arg(long, short)]
        force: bool,
        /// As it was at this snapshot
        #[arg(long, value_name = "N")]
        at: Option<u64>,
    },
    /// Copy a file or a directory, inside a pod or from one to another
    #[command(
        after_long_help = "Inside a pod no bytes are read.\n\nExamples:\n  medium pod cp notes:/a.txt notes:/b.txt\n  \
            medium pod cp notes:/2026 archive:/notes/"
    )]
    Cp {
        /// What: `POD:/path`, or a reference with or without a path
        from: Place,
        /// Where to: `POD:/path`; into it if it ends with `/`
        to: Place,
        /// As it was at this snapshot
        #[arg(long, value_name = "N")]
        at: Option<u64>,
    },
    /// Move a file or a directory, inside a pod or from one to another
    #[command(
        after_long_help = "From one pod to another it is copied first and then removed: two snapshots.\n\n\
            Examples:\n  medium pod mv notes:/a.txt notes:/old/\n  medium pod mv notes:/b.txt archive:/b.txt"
    )]
    Mv {
        /// What: `POD:/path`
        from: Place,
        /// Where to: `POD:/path`; into it if it ends with `/`
        to: Place,
    },
    /// Remove a file or an empty directory; with -r any directory
    #[command(
        after_long_help = "Earlier snapshots keep what they had: `medium pod history`.\n\n\
            Examples:\n  medium pod rm notes:/a.txt\n  medium pod rm -r notes:/2025"
    )]
    Rm {
        /// What: `POD:/path`
        what: Place,
        /// Whatever is in it
        #[arg(long, short)]
        recursive: bool,
    },
    /// Make a directory
    #[command(
        after_long_help = "Examples:\n  medium pod mkdir notes:/2026\n  medium pod mkdir -p notes:/2026/11/21"
    )]
    Mkdir {
        /// Which: `POD:/path`
        what: Place,
        /// Also those on the way to it; it may be there
        #[arg(long, short)]
        parents: bool,
    },
    /// Show a pod, or what is at a path
    #[command(
        after_long_help = "Examples:\n  medium pod stat notes\n  medium pod stat notes:/a.txt"
    )]
    Stat {
        /// POD, `POD:/path`, or a reference with or without a path
        what: Place,
        /// As it was at this snapshot
        #[arg(long, value_name = "N")]
        at: Option<u64>,
    },
    /// Open a pod that was closed
    #[command(after_long_help = "Examples:\n  medium pod open notes")]
    Open {
        /// Which
        pod: PodName,
    },
    /// Close a pod: it is neither read nor changed until it is opened
    #[command(after_long_help = "Examples:\n  medium pod close notes")]
    Close {
        /// Which
        pod: PodName,
    },
    /// Remove a pod and its history from the wallet
    #[command(
        after_long_help = "What it shared can be read as long as its stamps last.\n\n\
            Examples:\n  medium pod remove notes\n  medium pod remove notes --yes"
    )]
    Remove {
        /// Which
        pod: PodName,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Print a reference key: whoever has it reads the pod, or one file or directory of it
    #[command(
        after_long_help = "A shared pod is read as it will be; a shared file or directory as it is now.\n\n\
            Examples:\n  medium pod share notes\n  medium pod share notes:/2026/letter.txt"
    )]
    Share {
        /// POD or `POD:/path`
        what: Place,
    },
    /// Make a pod of one's own from what somebody shared, or from one's own pod
    #[command(
        after_long_help = "Nothing that is here already is stored again. What it was forked from is recorded: \
            `medium pod offer` offers changes back.\n\n\
            Examples:\n  medium pod fork 8d5f…e1\n  medium pod fork 8d5f…e1 mine --to ./mine\n  \
            medium pod fork notes experiment --at 3"
    )]
    Fork {
        /// A reference key, a reference, or a pod
        from: Place,
        /// What it is called here [default: as it is there]
        #[arg(value_parser = plain_name)]
        name: Option<PodName>,
        /// Then also write what is in it to this new directory
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// As it was at this snapshot
        #[arg(long, value_name = "N")]
        at: Option<u64>,
    },
    /// Write what a reference or a pod has to a new directory; all of it or nothing
    #[command(
        after_long_help = "What was stopped is kept, and the same command goes on from there.\n\n\
            Examples:\n  medium pod import 8d5f…e1 ./theirs\n  medium pod import notes:/2026 ./2026"
    )]
    Import {
        /// A reference key, a reference, or a pod, with or without a path
        from: Place,
        /// The directory, which must not be there
        to: PathBuf,
        /// As it was at this snapshot
        #[arg(long, value_name = "N")]
        at: Option<u64>,
    },
    /// List the snapshots of a pod
    #[command(
        after_long_help = "Examples:\n  medium pod history notes\n  medium pod ls notes --at 0"
    )]
    History {
        /// Which
        pod: PodName,
    },
    /// Read all of a pod, or of what a reference names, and recompute every hash
    #[command(
        after_long_help = "Exit code 2 if something is damaged or missing.\n\n\
            Examples:\n  medium pod verify notes\n  medium pod verify 8d5f…e1"
    )]
    Verify {
        /// A pod or a reference
        what: Place,
        /// As it was at this snapshot
        #[arg(long, value_name = "N")]
        at: Option<u64>,
    },
    /// Offer what a fork changed to the author of what it was forked from
    #[command(
        after_long_help = "Examples:\n  medium pod offer my-fork\n  medium pod offer my-fork --output offer.json    # to be sent to them"
    )]
    Offer {
        /// The fork
        fork: PodName,
        /// Also write the offer to this new file, for an author on another machine
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// List what was offered to a pod
    #[command(after_long_help = "Examples:\n  medium pod offers notes")]
    Offers {
        /// Which
        pod: PodName,
    },
    /// Take an offer into a pod, as one snapshot
    #[command(
        after_long_help = "Refused where the pod changed the same files since: nothing is taken then.\n\n\
            Examples:\n  medium pod take notes 4f1c…\n  medium pod take notes ./offer.json"
    )]
    Take {
        /// Which
        pod: PodName,
        /// The offer, as `medium pod offers` lists it, or the file that it came as
        offer: String,
    },
    /// Decline an offer
    #[command(after_long_help = "Examples:\n  medium pod decline notes 4f1c…")]
    Decline {
        /// Which
        pod: PodName,
        /// The offer, as `medium pod offers` lists it
        offer: String,
    },
    /// Stamps: the right to write
    Stamp {
        /// What to do.
        #[command(subcommand)]
        kind: StampKind,
    },
    /// Keep all that a reference names, stamped or not
    #[command(after_long_help = "Examples:\n  medium pod pin 8d5f…e1")]
    Pin {
        /// Which
        reference: String,
    },
    /// Keep what a reference names no longer than its stamps last
    #[command(after_long_help = "Examples:\n  medium pod unpin 8d5f…e1")]
    Unpin {
        /// Which
        reference: String,
    },
    /// List what is pinned
    #[command(after_long_help = "Examples:\n  medium pod pins")]
    Pins,
    /// Free what is neither stamped nor pinned
    #[command(
        after_long_help = "What only expired batches stamped is lost then: it asks first.\n\nExamples:\n  medium pod gc"
    )]
    Gc {
        /// Free what expired batches stamped without asking
        #[arg(long, short)]
        yes: bool,
    },
    /// Wallets: whose pods
    Wallet {
        /// What to do.
        #[command(subcommand)]
        kind: WalletKind,
    },
    /// Print the Swarm reference of a file: what Bee would answer for it; nothing is stored
    #[command(
        after_long_help = "Examples:\n  medium pod hash picture.png\n  medium pod hash - < picture.png"
    )]
    Hash {
        /// The file; `-` is standard input
        file: PathBuf,
    },
}

/// What can be done with stamps.
#[derive(Debug, Subcommand)]
pub(crate) enum StampKind {
    /// Buy a batch of stamps
    #[command(
        after_long_help = "A batch of depth D stamps at most 2^D chunks of 4 KiB, fewer where they gather in one of its 65,536 \
            buckets.\n\nExamples:\n  medium pod stamp buy\n  medium pod stamp buy --depth 22 --ttl 30d --label photos"
    )]
    Buy {
        /// How many chunks it may stamp: 2 to this power
        #[arg(long, value_name = "D", default_value_t = DEPTH_DEFAULT)]
        depth: u8,
        /// For how long: 90s, 30m, 12h, 365d
        #[arg(long, value_name = "TIME", default_value = "365d", value_parser = seconds)]
        ttl: u64,
        /// What to call it
        #[arg(long, value_name = "TEXT", default_value = "")]
        label: String,
    },
    /// List the batches of the wallet
    #[command(after_long_help = "Examples:\n  medium pod stamp ls")]
    Ls,
}

/// The depth of a batch unless another is named: a million chunks, 4 GiB.
const DEPTH_DEFAULT: u8 = 20;

/// What can be done with wallets.
#[derive(Debug, Subcommand)]
pub(crate) enum WalletKind {
    /// List the wallets of the data folder
    #[command(after_long_help = "Examples:\n  medium pod wallet ls")]
    Ls,
}

/// Reads a span of time: `90s`, `30m`, `12h`, `365d`, or seconds without a unit.
fn seconds(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(digits) => (digits, text.chars().next_back()),
        None => (text, None),
    };
    let of_unit = match unit {
        Some('m') => 60,
        Some('h') => 60 * 60,
        Some('d') => 24 * 60 * 60,
        _ => 1,
    };
    let number: Option<u64> = digits.parse().ok().filter(|&number| number > 0);
    number
        .and_then(|number| number.checked_mul(of_unit))
        .ok_or_else(|| format!("`{text}` is no span of time: it looks like 90s, 30m, 12h or 365d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_time_has_a_unit() {
        for (text, s) in [
            ("90", 90),
            ("90s", 90),
            ("2m", 120),
            ("12h", 43_200),
            ("365d", 31_536_000),
        ] {
            assert_eq!(seconds(text), Ok(s), "{text}");
        }
        for bad in [
            "",
            "d",
            "-1s",
            "0",
            "1.5h",
            "1w",
            "99999999999999999999",
            "999999999999999999d",
        ] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
