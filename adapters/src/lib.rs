//! The outside of the medium: what `actors` asks for by its ports, and formats people write by hand.
//!
//! [`store`] is where what survives is kept (embedded, or in memory with faults for tests); [`contents`]
//! holds large contents as verified files; [`pod_dir`] reads a VC's pod directory; [`wasm`] runs code that
//! is not trusted; [`parts`] has the parts that come with the medium; [`fleet`] is the VC that a directory of VCs is.
//!
//! [`pods`] is the port to directories on a distributed file system, and keeps them on disk; [`fairos`] is a
//! FairOS-DFS as pods, and [`http`] how other servers are called. [`transfer`] takes directories of this machine into
//! pods and out of them; [`vc_pod`] makes pods of VCs. [`recipe`] reads how pods are run, [`task`] runs them, and
//! [`compute`] confines what is run. [`swarm`] has the formats of Swarm, so that references made here are those of Bee.

pub mod bee;
pub mod compute;
pub mod contents;
pub mod fairos;
pub mod fleet;
pub mod http;
mod json;
pub mod oracle;
pub mod outside;
pub mod parts;
pub mod pod_dir;
pub mod pods;
pub mod recipe;
pub mod rows;
pub mod store;
pub mod swarm;
pub mod task;
pub mod transfer;
pub mod vc_pod;
pub mod wasm;
