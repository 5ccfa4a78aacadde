//! For whom a VC speaks: a program, or servers that it calls.

use actors::behaviour::Behaviour;
use actors::runtime::Runtime;
use adapters::outside::call::Caller;
use adapters::outside::{Asks, Outside as Speaker, Program};
use genesis::id::{Digest, VcId};
use genesis::refusal::{Code, Refusal};

use super::{Granted, ProgramView, Programs};

/// For whom a VC speaks.
#[derive(Clone, Debug)]
pub(crate) enum Speaks {
    /// A program.
    Program(Program),
    /// Servers.
    Servers(Caller),
}

impl Speaks {
    /// For whom a native part speaks, if for anybody.
    ///
    /// # Errors
    /// [`Code::Malformed`]: its argument makes no sense.
    pub(crate) fn of(native: &str, argument: &[u8]) -> Result<Option<Self>, Refusal> {
        let wrong = |what: String| Refusal::new(Code::Malformed, what);
        if native == Speaker::NAME {
            let program = Program::read(argument);
            let program = program.map_err(|error| wrong(error.to_string()))?;
            return Ok(Some(Self::Program(program)));
        }
        let caller = Caller::of(native, argument).transpose();
        Ok(caller.map_err(wrong)?.map(Self::Servers))
    }

    /// For whom a VC speaks, if for anybody.
    ///
    /// # Errors
    /// [`Refusal`]: the VC is unknown, or the argument of its part makes no sense.
    pub(crate) async fn by(runtime: &Runtime, vc: VcId) -> Result<Option<Self>, Refusal> {
        for (native, argument) in runtime.native_parts(vc).await? {
            let speaks = Self::of(&native, &argument).map_err(|why| why.who(vc))?;
            if speaks.is_some() {
                return Ok(speaks);
            }
        }
        Ok(None)
    }

    /// What it is: another one of the same name has another.
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::Program(program) => program.digest(),
            Self::Servers(caller) => caller.digest,
        }
    }

    /// What it asks for.
    pub(crate) fn asks(&self) -> &Asks {
        match self {
            Self::Program(program) => &program.asks,
            Self::Servers(caller) => &caller.asks,
        }
    }

    /// What it would be allowed, or why it would not be.
    ///
    /// # Errors
    /// [`Code::Denied`]: it asks for more than it is granted, or this node does no such thing.
    pub(crate) fn plan(
        &self,
        programs: &Programs,
        name: &str,
        granted: &Granted,
    ) -> Result<Vec<String>, Refusal> {
        match self {
            Self::Program(program) => programs.plan(name, program, granted),
            Self::Servers(caller) => {
                programs.plan_calls(name, caller, granted)?;
                Ok(caller.may.clone())
            }
        }
    }

    /// What is shown of it.
    pub(crate) fn view(self, vc: VcId, may: Vec<String>) -> ProgramView {
        ProgramView {
            vc: vc.to_string(),
            member: String::new(),
            digest: self.digest().to_string(),
            may,
            secrets: self.asks().secrets.clone(),
            command: match self {
                Self::Program(program) => program.command,
                Self::Servers(caller) => caller.what,
            },
        }
    }
}
