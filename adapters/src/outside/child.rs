//! Children that a program gives birth to.

use actors::birth::{Birth, CodeBirth, PartBirth};
use data_encoding::HEXLOWER;
use genesis::id::Digest;
use genesis::power::{Grants, Power};
use genesis::purse::Purse;

use super::line::Child;

/// The birth of a child, as a program describes it; else what is wrong with it, in plain words.
pub(super) fn birth_of(child: Child, name: &str) -> Result<Birth, String> {
    let argument = child.argument.unwrap_or_default();
    let code = match (child.native, child.text, child.module) {
        (Some(native), None, None) => CodeBirth::Native {
            name: native,
            version: None,
            argument: argument.into(),
        },
        (None, Some(text), None) => CodeBirth::Native {
            name: "say".to_owned(),
            version: None,
            argument: text.into(),
        },
        (None, None, Some(module)) => {
            let bytes = HEXLOWER.decode(module.as_bytes()).ok();
            let digest = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            CodeBirth::WebAssembly {
                module: Digest(digest.ok_or("`module` is a digest: 64 digits")?),
                argument: argument.into(),
            }
        }
        _ => return Err("a child is one of `native`, `text`, `module`".to_owned()),
    };
    let grants = child.grants.iter().map(|name| name.parse::<Power>());
    let grants: Grants = grants
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    Ok(Birth {
        name: None,
        description: Some(format!("`{name}`, born of a program")),
        parts: vec![PartBirth { role: None, code }],
        grants: if child.grants.is_empty() {
            Grants::HARMLESS
        } else {
            grants
        },
        purse: child.purse.unwrap_or(Purse::ENDLESS),
        durable: true,
        ..Birth::default()
    })
}
