//! From an error to what is shown of it and the exit code.

use adapters::pods::PodsError;
use adapters::recipe::RecipeError;
use adapters::task::TaskError;
use adapters::transfer::TransferError;
use anyhow::Error;
use genesis::refusal::{Code, Refusal};

use crate::printer::Closed;

/// The exit code of a run that did what it was asked.
pub(crate) const DONE: u8 = 0;
/// The exit code of an error that whoever asked can do something about.
pub(crate) const USER: u8 = 1;
/// The exit code of an error of ours.
pub(crate) const OURS: u8 = 2;

/// Something was found wrong and all of it was said already: only the exit code is left.
#[derive(Debug, thiserror::Error)]
#[error("said already")]
pub(crate) struct Said;

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Without anything to say.
    Quiet(u8),
    /// With an error to show.
    Refused(Refusal, u8),
}

/// What is shown of an error, and the exit code it leads to.
///
/// An error that is not a [`Refusal`] is one we did not think of, and so our fault.
pub(crate) fn ending(error: &Error) -> Ending {
    if error.is::<Closed>() {
        return Ending::Quiet(DONE);
    }
    if error.is::<Said>() {
        return Ending::Quiet(USER);
    }
    let refusal = match refusal_in(error) {
        // Context that was put around a refusal goes before it.
        Some(refusal) if error.to_string() == refusal.what => refusal,
        Some(refusal) => Refusal {
            what: format!("{error}: {}", refusal.what),
            ..refusal
        },
        None => Refusal::new(Code::Internal, format!("{error:#}")),
    };
    let code = exit_code(refusal.code);
    Ending::Refused(refusal, code)
}

/// The refusal that an error is, if it is one.
fn refusal_in(error: &Error) -> Option<Refusal> {
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return Some(refusal.clone());
    }
    if let Some(error) = error.downcast_ref::<PodsError>() {
        return Some(error.refusal());
    }
    if let Some(error) = error.downcast_ref::<RecipeError>() {
        return Some(error.refusal());
    }
    if let Some(error) = error.downcast_ref::<TaskError>() {
        return Some(error.refusal());
    }
    error.downcast_ref().map(TransferError::refusal)
}

/// Whose fault a kind of refusal is.
pub(crate) const fn exit_code(code: Code) -> u8 {
    if code.user_can_fix() { USER } else { OURS }
}

/// What the operating system says about a file someone named: theirs to fix, but for errors of the disk.
pub(crate) fn file_refused(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Refusal {
    use std::io::ErrorKind as Kind;
    let path = path.display();
    let (code, hint) = match error.kind() {
        Kind::NotFound => (Code::Unknown, "check the path"),
        Kind::PermissionDenied => (Code::Denied, "check who may read and write there"),
        Kind::AlreadyExists => (Code::Conflict, "name another one, or remove it first"),
        Kind::StorageFull | Kind::QuotaExceeded => (Code::DiskFull, "make room, then try again"),
        Kind::IsADirectory | Kind::NotADirectory | Kind::InvalidFilename | Kind::InvalidInput => {
            (Code::Malformed, "check the path")
        }
        _ => (
            Code::Io,
            "the operating system refused; its log may say more",
        ),
    };
    Refusal::new(code, format!("cannot {doing} `{path}`: {error}"))
        .who(path)
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn the_exit_code_says_whose_fault_it_is() {
        let user = Refusal::new(Code::Unknown, "no VC is called `x`");
        assert_eq!(ending(&user.clone().into()), Ending::Refused(user, USER));
        let ours = Refusal::new(Code::Corrupt, "table vcs is damaged");
        assert_eq!(ending(&ours.clone().into()), Ending::Refused(ours, OURS));
        assert!(matches!(
            ending(&anyhow::anyhow!("odd")),
            Ending::Refused(_, OURS)
        ));
        assert_eq!(ending(&Closed.into()), Ending::Quiet(DONE));
        assert_eq!(
            ending(&Error::from(Closed).context("while listing")),
            Ending::Quiet(DONE)
        );
        assert_eq!(ending(&Said.into()), Ending::Quiet(USER));
    }

    #[test]
    fn context_keeps_the_code_and_the_hint() {
        let refusal = Refusal::new(Code::Conflict, "the name is taken").hint("choose another");
        let error = Err::<(), _>(refusal).context("step 3").unwrap_err();
        let Ending::Refused(shown, USER) = ending(&error) else {
            panic!("{error:?}")
        };
        assert_eq!(shown.what, "step 3: the name is taken");
        assert_eq!(shown.hint.as_deref(), Some("choose another"));
    }
}
