//! How an agent goes from a world to a VC and back, without being in both or in neither.
//!
//! The world's journal comes first: it says who leaves, and as which VC, or which VC comes in. What that means for
//! the VC is done then, and noted in the journal as *settled*; where a node dies in between, it is done when the
//! node starts.

use actors::birth::Birth;
use actors::life::Life;
use actors::view::Outgoing;
use genesis::id::VcId;
use genesis::image::{Code as PartCode, Image, ImagePart};
use genesis::refusal::{Code, Refusal};
use genesis::wire;
use sims::ids::AgentId;

use super::address::{address, address_of};
use super::agent::Agent;
use super::held::vc_of;
use super::journal::Act;
use super::keeper::Keeper;
use super::{AGENT, ASK_MS, Within, Worlds, native, no_world};

impl Worlds {
    /// What an agent is, outside of its world.
    ///
    /// # Errors
    /// [`Code::Unknown`].
    pub(crate) async fn copy(
        &self,
        within: &Within,
        agent: &str,
    ) -> Result<(AgentId, Agent), Refusal> {
        let (world, cohort, agent) = (within.world, within.cohort.clone(), agent.to_owned());
        within
            .keeper
            .ask(move |held| {
                let id = address(held.live.as_mut(), &cohort, &agent)?;
                let agent = Agent {
                    frozen: held.copy(&cohort, id)?,
                    params: held.params(),
                    world,
                    tick: held.live.now(),
                    leaving: None,
                };
                Ok((id, agent))
            })
            .await
    }

    /// The image of the VC that an agent is: as if it had been born with the agent as its argument.
    ///
    /// # Errors
    /// [`Code::TooLarge`] if the agent does not fit into it.
    pub(crate) fn image_of(&self, vc: VcId, agent: &Agent, at: AgentId) -> Result<Image, Refusal> {
        let birth = self.birth_of(agent, at, None)?;
        self.0.runtime.image_of(vc, birth)
    }

    fn birth_of(&self, agent: &Agent, at: AgentId, name: Option<String>) -> Result<Birth, Refusal> {
        Ok(Birth {
            name,
            description: Some(described(agent, at)),
            ..native(AGENT, agent.encode()?, self.0.durable)
        })
    }

    /// Gives birth to a copy of an agent, as a VC of its own.
    ///
    /// # Errors
    /// [`Code::Unknown`], or what the runtime says.
    pub(crate) async fn fork_agent(
        &self,
        within: &Within,
        agent: &str,
        name: Option<String>,
    ) -> Result<VcId, Refusal> {
        let (id, agent) = self.copy(within, agent).await?;
        let birth = self.birth_of(&agent, id, name)?;
        self.0.runtime.spawn(birth).await
    }

    /// Takes an agent out of its world; it is a VC of its own from then on.
    ///
    /// # Errors
    /// [`Code::Unknown`]; or what the runtime says, and then it is tried again when the node starts.
    pub(crate) async fn take(
        &self,
        within: &Within,
        agent: &str,
        name: Option<String>,
    ) -> Result<VcId, Refusal> {
        if let Some(name) = &name
            && self.0.runtime.resolve(name).await.is_ok()
        {
            let what = format!("a VC is called `{name}` already");
            return Err(Refusal::new(Code::Conflict, what).hint("give another name"));
        }
        let (cohort, agent, world) = (within.cohort.clone(), agent.to_owned(), within.world);
        let (vc, act) = within
            .keeper
            .ask(move |held| {
                let id = address(held.live.as_mut(), &cohort, &agent)?;
                let vc = Agent::vc_of(world, &cohort, id);
                held.take(&cohort, id, Some(vc.to_string()), name)?;
                let act = held.unsettled.last().cloned();
                act.map(|act| (vc, act))
                    .ok_or_else(|| Refusal::new(Code::Internal, "nothing was taken"))
            })
            .await?;
        self.settle(world, &within.keeper, &act).await?;
        Ok(vc)
    }

    /// Ends an agent in its world.
    ///
    /// # Errors
    /// [`Code::Unknown`].
    pub(crate) async fn end(&self, within: &Within, agent: &str) -> Result<(), Refusal> {
        let (cohort, agent) = (within.cohort.clone(), agent.to_owned());
        within
            .keeper
            .ask(move |held| {
                let id = address(held.live.as_mut(), &cohort, &agent)?;
                held.take(&cohort, id, None, None).map(drop)
            })
            .await
    }

    /// Puts the agent that a VC is into a world; the VC is removed. Gives cohort and address there.
    ///
    /// # Errors
    /// [`Code::Malformed`] if the VC is no agent, [`Code::Conflict`] if it has no place there; else what the runtime
    /// says.
    pub(crate) async fn put(&self, world: VcId, vc: VcId) -> Result<(String, String), Refusal> {
        let keeper = self.keeper(world);
        let keeper = keeper.ok_or_else(|| no_world(&world.to_string()))?;
        let leaving = self.leave(vc, Some(world)).await?;
        let (agent, cohort) = (leaving.frozen.clone(), leaving.frozen.cohort);
        let text = vc.to_string();
        let put = keeper.ask(move |held| {
            let is_it = |act: &Act| vc_of(act) == Some(&text);
            if held.unsettled.iter().any(is_it) {
                let what = format!("{text} is on its way between this world and the node");
                return Err(Refusal::new(Code::Conflict, what));
            }
            let id = held.put(&agent, text)?;
            let place = held.live.cohorts().into_iter();
            let place = place.filter(|known| known.name == agent.cohort);
            let place = place.map(|known| known.place).next().unwrap_or_default();
            let act = held.unsettled.last().cloned();
            Ok((address_of(place, id), act))
        });
        match put.await {
            Ok((address, act)) => {
                if let Some(act) = act {
                    self.settle(world, &keeper, &act).await?;
                }
                Ok((cohort, address))
            }
            Err(refusal) => {
                self.leave(vc, None).await?;
                Err(refusal)
            }
        }
    }

    /// Has the VC that an agent is get ready to go into a world, or stay after all.
    async fn leave(&self, vc: VcId, world: Option<VcId>) -> Result<Agent, Refusal> {
        let to = world.map_or(Vec::new(), |world| world.as_bytes().to_vec());
        let mut outgoing = Outgoing::new(vc, to);
        outgoing.channel = Agent::LEAVE;
        let no_agent = |why: &str| {
            Refusal::new(
                Code::Malformed,
                format!("{vc} is no agent of a world: {why}"),
            )
            .who(vc)
            .hint("`medium sim take WORLD/COHORT/ID` makes a VC of one")
        };
        let answer = self.0.runtime.ask(outgoing, ASK_MS).await?;
        let Some(reply) = answer.reply else {
            return Err(
                Refusal::new(Code::Timeout, format!("no answer within {ASK_MS} ms")).who(vc),
            );
        };
        match reply.refusal() {
            Some(why) => Err(no_agent(&why.what)),
            None => Agent::decode(&reply.contents).map_err(|why| no_agent(&why.what)),
        }
    }

    /// Does for the VC what was done in the world, and notes that in its journal.
    pub(super) async fn settle(
        &self,
        world: VcId,
        keeper: &Keeper,
        act: &Act,
    ) -> Result<(), Refusal> {
        let Some(vc) = vc_of(act).cloned() else {
            return Ok(());
        };
        let id: VcId = vc
            .parse()
            .map_err(|_| Refusal::new(Code::Corrupt, format!("`{vc}` is no VC")))?;
        let runtime = &self.0.runtime;
        let there = match runtime.show(id).await {
            Ok(portrait) => Some(portrait.summary.life),
            Err(refusal) if refusal.code == Code::Unknown => None,
            Err(refusal) => return Err(refusal),
        };
        match act {
            Act::Take {
                agent,
                name,
                id: at,
                ..
            } if there.is_none() => {
                let frozen = agent.agent()?;
                let (params, tick) = keeper
                    .ask(|held| Ok((held.params(), held.live.now())))
                    .await?;
                let agent = Agent {
                    frozen,
                    params,
                    world,
                    tick,
                    leaving: None,
                };
                let image = self.image_of(id, &agent, AgentId(*at))?;
                runtime
                    .thaw(image, name.clone(), self.0.durable, false)
                    .await?;
            }
            Act::Put { .. } => {
                if there.is_some_and(|life| life != Life::Stopped) {
                    runtime.stop_vc(id).await?;
                }
                if there.is_some() {
                    runtime.remove(id).await?;
                }
            }
            _ => {}
        }
        keeper
            .ask(move |held| held.act(Act::Settled { vc }).map(drop))
            .await
    }
}

fn described(agent: &Agent, id: AgentId) -> String {
    let kind = &agent.frozen.kind;
    let cohort = &agent.frozen.cohort;
    format!("{kind} {cohort}/{id} of a world of {}", agent.frozen.model)
}

/// The agent in an image, if it is one that was taken out of a world.
pub(crate) fn agent_in(image: &Image) -> Option<Agent> {
    let is_one =
        |part: &&ImagePart| matches!(&part.code, PartCode::Native { name, .. } if name == AGENT);
    let part = image.parts.iter().find(is_one)?;
    match &part.state {
        // The version byte of a state, and then as an argument without its own.
        Some(state) => wire::decode(1, state).ok(),
        None => Agent::decode(&part.contents).ok(),
    }
}
