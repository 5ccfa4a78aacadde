//! Everything that is said about a VC before it exists.

use bytes::Bytes;
use genesis::id::{Digest, VcId};
use genesis::image::Restart;
use genesis::power::Grants;
use genesis::purse::Purse;
use serde::{Deserialize, Serialize};

/// A part that a VC is born with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartBirth {
    /// What it is called inside the body, if anything.
    pub role: Option<String>,
    /// What it is.
    pub code: CodeBirth,
}

/// What a part is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CodeBirth {
    /// A native behaviour.
    Native {
        /// Its name.
        name: String,
        /// Its version; none for the newest.
        version: Option<u32>,
        /// Its argument.
        argument: Bytes,
    },
    /// Contents without code.
    Data {
        /// The bytes.
        contents: Bytes,
        /// The code that reads and tests them.
        decoder: Option<Digest>,
    },
    /// A VC in the body.
    Computer(Box<Birth>),
    /// Sandboxed code that the runtime knows: it was [brought](crate::runtime::Runtime::bring).
    WebAssembly {
        /// The digest of the module.
        module: Digest,
        /// What it begins with.
        argument: Bytes,
    },
}

/// A birth: body, powers, purse, contacts and manners of a VC to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Birth {
    /// What its owner, or its host, calls it.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Its parts, beside the genesis part that every VC is given.
    pub parts: Vec<PartBirth>,
    /// What it may do.
    pub grants: Grants,
    /// What it may spend.
    pub purse: Purse,
    /// Whom it may send to, and what it calls them.
    pub contacts: Vec<(Option<String>, VcId)>,
    /// Who may reshape it, beside owner and host.
    pub reshapers: Vec<VcId>,
    /// The pattern of what it accepts; none accepts all.
    pub accept: Option<String>,
    /// The pattern over metrics that it strives for.
    pub goal: Option<String>,
    /// Whether it survives the node, where the node has a store.
    pub durable: bool,
    /// When it is restarted, and when given up.
    pub restart: Restart,
    /// How many messages its journal keeps between snapshots; 0 for none.
    pub record: u32,
    /// After how many idle milliseconds it goes to sleep; 0 for never by itself.
    pub idle_ms: u64,
    /// Fuel that one of its turns may take; 0 for [`TURN_FUEL_MAX`](genesis::limits::TURN_FUEL_MAX).
    pub turn_fuel: u64,
    /// Whether it has an actor of its own instead of a cell: for what must await.
    pub own_actor: bool,
}

impl Birth {
    /// A volatile VC of one native behaviour, with harmless powers and an endless purse.
    pub fn native(name: &str, argument: impl Into<Bytes>) -> Self {
        Self {
            parts: vec![PartBirth {
                role: None,
                code: CodeBirth::Native {
                    name: name.to_owned(),
                    version: None,
                    argument: argument.into(),
                },
            }],
            ..Self::default()
        }
    }

    /// The same, surviving the node.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// The same, under a name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The same, with these powers.
    #[must_use]
    pub fn granted(mut self, grants: Grants) -> Self {
        self.grants = grants;
        self
    }
}

impl Default for Birth {
    fn default() -> Self {
        Self {
            name: None,
            description: None,
            parts: Vec::new(),
            grants: Grants::HARMLESS,
            purse: Purse::ENDLESS,
            contacts: Vec::new(),
            reshapers: Vec::new(),
            accept: None,
            goal: None,
            durable: false,
            restart: Restart::default(),
            record: 0,
            idle_ms: 0,
            turn_fuel: 0,
            own_actor: false,
        }
    }
}
