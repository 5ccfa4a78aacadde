//! What a Bee's refusals mean where stamps are concerned, and the way out.

use super::Bee;
use crate::http::HttpError;
use crate::pods::PodsError;
use crate::pods::keeper::Keeper;

/// Why something was not taken that a batch was to pay for.
///
/// Rule: Bee `pkg/api`, the upload errors that its handlers share.
pub(super) fn of_upload(error: HttpError, batch: &str, bee: &Bee) -> PodsError {
    let HttpError::Refused {
        status, message, ..
    } = &error
    else {
        return error.into();
    };
    let said = message.to_ascii_lowercase();
    let why = match status {
        402 => "it is full: its bucket for one of the chunks has no stamp left; buy a larger one, or dilute it".to_owned(),
        404 if said.contains("batch") => format!("{} does not have it; `stamp ls` shows what it has", bee.name()),
        422 => "it cannot stamp: one that was bought just now needs some minutes, one that has expired stays so".to_owned(),
        400 if said.contains("batch") => format!("{} does not take it: {message}", bee.name()),
        _ => return error.into(),
    };
    PodsError::Batch {
        id: batch.to_owned(),
        why,
    }
}

/// Why a batch was not bought.
pub(super) fn of_buying(error: HttpError, bee: &Bee) -> PodsError {
    let HttpError::Refused {
        server,
        what,
        status,
        message,
    } = error
    else {
        return error.into();
    };
    let said = message.to_ascii_lowercase();
    let hint = match status {
        400 if said.contains("funds") => {
            "send xBZZ and xDAI to the address that its `/wallet` shows"
        }
        400 if said.contains("amount") => {
            "a batch is bought for a day at least: give a longer time"
        }
        403 | 405 => {
            return bee.unsupported(
                "buy stamps: it has no chain",
                "start it with a blockchain RPC, or use another Bee",
            );
        }
        429 => "it is buying another batch: try again in a minute",
        _ => "its own log says more",
    };
    PodsError::Server {
        server,
        what,
        status,
        message,
        hint: hint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bee::BeeOptions;

    fn refused(status: u16, message: &str) -> HttpError {
        HttpError::Refused {
            server: "Bee at http://127.0.0.1:1".to_owned(),
            what: "POST /chunks".to_owned(),
            status,
            message: message.to_owned(),
        }
    }

    #[test]
    fn refusals_name_the_batch_and_the_way_out() {
        let bee = Bee::new("127.0.0.1:1", BeeOptions::default()).unwrap();
        let told = |status, message| of_upload(refused(status, message), "ab", &bee).to_string();
        insta::assert_snapshot!(told(402, "batch is overissued"), @"batch ab: it is full: its bucket for one of the chunks has no stamp left; buy a larger one, or dilute it");
        insta::assert_snapshot!(told(404, "batch with id not found"), @"batch ab: Bee at http://127.0.0.1:1 does not have it; `stamp ls` shows what it has");
        insta::assert_snapshot!(told(422, "batch not usable yet or does not exist"), @"batch ab: it cannot stamp: one that was bought just now needs some minutes, one that has expired stays so");
        insta::assert_snapshot!(told(500, "boom"), @"Bee at http://127.0.0.1:1 answered 500 to `POST /chunks`: boom");
        let bought = of_buying(refused(403, "Chain is disabled"), &bee);
        assert!(matches!(bought, PodsError::Unsupported { .. }));
        let bought = of_buying(refused(400, "out of funds"), &bee);
        assert_eq!(
            bought.hint().as_deref(),
            Some("send xBZZ and xDAI to the address that its `/wallet` shows")
        );
    }
}
