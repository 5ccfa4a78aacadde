//! Trials: what a part is worth to a body, found out without touching it.
//!
//! In this order, cheap before dear: what the part says of itself (its own test, on an instance of its own,
//! believed only where it admits failure), then the adopter's judge (a part of the body that gives the channel
//! `judge`, asked in a copy of the body in which the candidate is already in its place), or a replay of the
//! adopter's own recorded messages.

use bytes::Bytes;
use genesis::channel::{Channel, Polarity};
use genesis::id::{Digest, VcId};
use genesis::image::{Code as PartCode, Image, ImagePart};
use genesis::limits::TURN_FUEL_MAX;
use genesis::refusal::{Code, Refusal};
use genesis::scores::Scores;

use super::Worker;
use super::bodies::body_with;
use super::images::{enclave_of, pieces_of, program_of};
use crate::behaviour::Fault;
use crate::cell::{Part, Seat};
use crate::enclave::Calls;
use crate::hosted::states_of;
use crate::letter::Letter;
use crate::replay::against;
use crate::sandbox::{Piece, Source};
use crate::stage::Stage;
use crate::view::{Trial, Verdict};

/// The channel by which a body's judge is asked.
pub(crate) const JUDGE: Channel = Channel::known("judge");
/// How many turns' fuel a test or a judge may take.
const TRIAL_TURNS: u64 = 16;

/// A part that may come into a body, and its place there.
pub(crate) struct Candidate<'a> {
    pub(crate) part: &'a ImagePart,
    /// The part it would replace.
    pub(crate) replaces: Option<u64>,
    /// From what its code would go on.
    pub(crate) from: Source,
}

impl Worker {
    /// Tries a part on a VC: `try`. The VC is as before, its digest too.
    pub(crate) fn try_part(
        &mut self,
        id: VcId,
        occurrence: Option<u64>,
        part: &ImagePart,
        replay: Option<u32>,
    ) -> Result<Trial, Refusal> {
        let slot = self.find_or_wake(id)?;
        let mut seat = std::mem::replace(&mut self.cells[slot as usize].seat, Seat::Empty);
        let outcome = if matches!(seat, Seat::Actor(_) | Seat::Away(_) | Seat::Owner) {
            let why = "only a VC that is a cell can be tried on; fork it first";
            Err(Refusal::new(Code::Denied, why).who(id))
        } else {
            self.trial_at(slot, &mut seat, occurrence, part, replay)
        };
        self.cells[slot as usize].seat = seat;
        outcome
    }

    fn trial_at(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        occurrence: Option<u64>,
        part: &ImagePart,
        replay: Option<u32>,
    ) -> Result<Trial, Refusal> {
        let old = self.place_for(slot, occurrence, part);
        let old = match occurrence {
            Some(_) => Some(old?),
            // Nothing there that it could replace: then it would be one part more.
            None => old.ok(),
        };
        let from = match &old {
            Some(old) => self.successor(slot, seat, old, part).0,
            None => begun(part),
        };
        let candidate = Candidate {
            part,
            replaces: old.map(|old| old.occurrence),
            from,
        };
        self.trial(slot, seat, &candidate, replay)
    }

    /// The part of a body that a newer one replaces.
    pub(super) fn place_for(
        &self,
        slot: u32,
        occurrence: Option<u64>,
        part: &ImagePart,
    ) -> Result<Part, Refusal> {
        place_in(self.parts_of(&self.cells[slot as usize]), occurrence, part)
    }

    /// From what a part goes on that comes into the place of another, and what it has of its own.
    pub(super) fn successor(
        &self,
        slot: u32,
        seat: &mut Seat,
        old: &Part,
        part: &ImagePart,
    ) -> (Source, Option<Bytes>) {
        successor_of(self.first_code_occurrence(slot), seat, old, part)
    }

    /// Tries a candidate, and says whether it may come in.
    ///
    /// # Errors
    /// [`Refusal`] if it can never be a part of the body.
    pub(super) fn trial(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        candidate: &Candidate<'_>,
        replay: Option<u32>,
    ) -> Result<Trial, Refusal> {
        let part = candidate.part;
        match part.code {
            PartCode::Genesis => {
                let why = "powers are granted at birth, not internalized";
                return Err(Refusal::new(Code::Denied, why));
            }
            PartCode::Computer => {
                // Its contents would name a VC that lives elsewhere.
                let why = "a VC is not taken into a body by a message; spawn a host with it inside";
                return Err(Refusal::new(Code::Denied, why));
            }
            _ => {}
        }
        let image = self.image_as_if(slot, candidate);
        let body = body_with(&image.parts, image.grants)?;
        let mut trial = Trial {
            part: part.digest().to_string(),
            code: Part::from_image(part).describe(),
            replaces: candidate.replaces,
            own: None,
            judged: None,
            replay: None,
            denied: body.denied(),
            hunger: body.hunger(),
            fuel: 0,
            verdict: Verdict::Adopt,
        };
        let (trusted, own) = self.own_test(part, &mut trial.fuel);
        match own {
            Err(why) => {
                trial.verdict = Verdict::Refuse(why);
                return Ok(trial);
            }
            Ok(scores) => {
                let passed = scores.ok;
                trial.own = Some(scores);
                if !passed {
                    let why = trial.own.as_ref().map_or("", |scores| &scores.why);
                    let what = format!("it fails its own test: {}", said(why));
                    trial.verdict = Verdict::Refuse(Refusal::new(Code::Fault, what));
                    return Ok(trial);
                }
            }
        }
        let judge = self.judge_of(slot);
        if let Some(judge) = judge {
            self.ask_judge(slot, seat, candidate, judge, &mut trial);
        }
        if let Some(last) = replay {
            self.replay_on(slot, candidate, last, &mut trial)?;
        }
        let undecided = judge.is_none() && trial.replay.is_none();
        if matches!(trial.verdict, Verdict::Adopt) && undecided && !trusted {
            let what = "what a part says of itself is not believed, and the body has no judge";
            trial.verdict = Verdict::Refuse(Refusal::new(Code::Untestable, what).hint(
                "judge it by the VC's own messages: --replay N; or take it on your own account: --override",
            ));
        }
        Ok(trial)
    }

    /// What a part says of itself; and whether that is believed: of natives, which came with the program.
    fn own_test(&self, part: &ImagePart, fuel: &mut u64) -> (bool, Result<Scores, Refusal>) {
        let natives = &self.shared.natives;
        let passed = |()| Scores::passed();
        match (&part.code, part.decoder) {
            (PartCode::Native { .. }, _) => {
                let outcome = program_of(natives, part).and_then(|(_, program)| program.test());
                (true, outcome.map(passed).map_err(Refusal::from))
            }
            (PartCode::WebAssembly { module, .. }, _) => {
                (false, self.decoder_test(*module, part, fuel))
            }
            (_, Some(decoder)) => match natives.iter().find(|kind| kind.digest() == decoder) {
                Some(kind) => {
                    let outcome = kind.born(&part.contents).and_then(|program| program.test());
                    (true, outcome.map(passed).map_err(Refusal::from))
                }
                None => (false, self.decoder_test(decoder, part, fuel)),
            },
            (_, None) => {
                let what = "contents without a decoder cannot be tested";
                (false, Err(Refusal::new(Code::Untestable, what)))
            }
        }
    }

    /// Lets a module test contents, in an instance of its own that is thrown away.
    fn decoder_test(
        &self,
        module: Digest,
        part: &ImagePart,
        fuel: &mut u64,
    ) -> Result<Scores, Refusal> {
        let modules = &self.shared.modules;
        let facts = modules.facts(module).map_err(|why| match why.code {
            Code::Untestable => Refusal::new(
                Code::Untestable,
                format!("this node does not know the decoder {module}"),
            ),
            _ => why,
        })?;
        if !facts.tests {
            let what = "contents without a decoder cannot be tested: the module has no `vc_test`";
            return Err(Refusal::new(Code::Untestable, what));
        }
        let piece = Piece {
            occurrence: 0,
            digest: Digest::ZERO,
            module,
            argument: match part.code {
                PartCode::WebAssembly { .. } => part.contents.clone(),
                _ => Bytes::new(),
            },
            from: Source::Birth,
        };
        let fuel_max = TURN_FUEL_MAX * TRIAL_TURNS;
        let sandbox = modules.sandbox()?;
        let mut capsule = sandbox.assemble(&[piece], fuel_max).map_err(in_test)?;
        let (used, said) = capsule.test(0, &part.contents, fuel_max);
        *fuel += used;
        let scores = said.map_err(in_test)?;
        scores
            .parse()
            .map_err(|error: genesis::scores::ScoresError| {
                Refusal::new(
                    Code::Malformed,
                    format!("its test answers no scores: {error}"),
                )
            })
    }

    /// The occurrence of the body's judge.
    fn judge_of(&self, slot: u32) -> Option<u64> {
        let judges = |part: &Part| {
            matches!(part.code, PartCode::WebAssembly { .. })
                && part.channels.contains(&(JUDGE, Polarity::Gives))
        };
        let parts = self.parts_of(&self.cells[slot as usize]);
        parts
            .iter()
            .find(|part| judges(part))
            .map(|part| part.occurrence)
    }

    /// The image of the VC as it would be with a candidate in its place; without states.
    fn image_as_if(&self, slot: u32, candidate: &Candidate<'_>) -> Image {
        let mut image = self.image_with(slot, &[]);
        with_candidate(&mut image, candidate);
        image
    }

    /// Asks the body's judge, in a copy of the body that has the candidate and whose states are the VC's.
    fn ask_judge(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        candidate: &Candidate<'_>,
        judge: u64,
        trial: &mut Trial,
    ) {
        let own = trial
            .own
            .as_ref()
            .map(Scores::to_string)
            .unwrap_or_default();
        let asked = self.judge_answers(slot, seat, candidate, judge, &own, &mut trial.fuel);
        let refuse = |why: Refusal| Verdict::Refuse(why);
        match asked {
            Err(fault) => {
                let what = format!("the judge's test failed: {}", fault.what);
                trial.verdict = refuse(Refusal::new(fault.code, what));
            }
            Ok(scores) => {
                if !scores.ok {
                    let what = format!("the judge refuses it: {}", said(&scores.why));
                    trial.verdict = refuse(Refusal::new(Code::Fault, what));
                }
                trial.judged = Some(scores);
            }
        }
    }

    fn judge_answers(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        candidate: &Candidate<'_>,
        judge: u64,
        own: &str,
        fuel: &mut u64,
    ) -> Result<Scores, Fault> {
        let states = states_of(seat, self.first_code_occurrence(slot));
        let mut image = self.image_with(slot, &states);
        let place = with_candidate(&mut image, candidate);
        let mut pieces = pieces_of(&image);
        if let Some(piece) = pieces.iter_mut().find(|piece| piece.occurrence == place) {
            // The candidate is the one that is tried, so it gives its channels before all others.
            piece.digest = Digest::ZERO;
            piece.from = candidate.from.clone();
        }
        if candidate.replaces == Some(judge) {
            // Nobody judges their own successor but by its own measure: the judge in office does.
            pieces.retain(|piece| piece.occurrence != place);
            pieces.extend(
                pieces_of(&self.image_with(slot, &states))
                    .into_iter()
                    .filter(|p| p.occurrence == judge),
            );
        }
        let turn_fuel = image
            .turn_fuel
            .max(TURN_FUEL_MAX)
            .saturating_mul(TRIAL_TURNS);
        let mut enclave = enclave_of(&self.shared.modules, pieces, turn_fuel)?;
        let mut letter = Letter::new(self.shared.owner, 0, image.id, own, self.now);
        letter.channel = JUDGE;
        let mut stage = Stage::of(&image, self.shared.ground());
        let (said, _, spent) = stage.play(&letter, Calls::Made(Vec::new()), |effects| {
            let mut answer = Vec::new();
            enclave.ask(JUDGE, own.as_bytes(), effects, &mut answer)?;
            Ok(answer)
        });
        *fuel += spent;
        let text = String::from_utf8(said?)
            .map_err(|error| Fault::malformed(format!("the judge answers no text: {error}")))?;
        text.parse()
            .map_err(|error: genesis::scores::ScoresError| Fault::malformed(error.to_string()))
    }

    /// Lets body and candidate handle the last messages of the VC's journal, and compares.
    fn replay_on(
        &mut self,
        slot: u32,
        candidate: &Candidate<'_>,
        last: u32,
        trial: &mut Trial,
    ) -> Result<(), Refusal> {
        let more = self.cells[slot as usize].more.as_ref();
        if more.is_none_or(|more| more.journal.is_none()) {
            return Err(Refusal::new(
                Code::Untestable,
                "the VC keeps no journal, so there is nothing to replay",
            )
            .hint("spawn it with --record N; or --override"));
        }
        let recorded = self.recorded(slot)?;
        let found = against(self.shared.ground(), recorded.since_anew(), candidate, last)?;
        trial.fuel += found.fuel;
        let replay = match found.replay {
            Ok(replay) => replay,
            Err(fault) => {
                let what = format!("it does not go on from the state before: {}", fault.what);
                trial.verdict = Verdict::Refuse(Refusal::new(fault.code, what));
                return Ok(());
            }
        };
        // A judge has said what matters; without one, nobody has, so any difference does.
        let unjudged = trial.judged.is_none();
        if unjudged && replay.different > 0 && matches!(trial.verdict, Verdict::Adopt) {
            let what = format!(
                "{} of the last {} messages have another outcome, {} of them fail",
                replay.different, replay.messages, replay.failing
            );
            trial.verdict = Verdict::Refuse(
                Refusal::new(Code::Fault, what)
                    .hint("if that is what you want, take it on your own account: --override"),
            );
        }
        if replay.failing > 0 && matches!(trial.verdict, Verdict::Adopt) {
            let what = format!(
                "it fails {} of the last {} messages, which the present part handled",
                replay.failing, replay.messages
            );
            trial.verdict = Verdict::Refuse(Refusal::new(Code::Fault, what));
        }
        if replay.messages == 0 && matches!(trial.verdict, Verdict::Adopt) {
            let what = "the VC has recorded no message since its last change";
            trial.verdict = Verdict::Refuse(Refusal::new(Code::Untestable, what));
        }
        trial.replay = Some(replay);
        Ok(())
    }
}

/// The part among `parts` that a newer one replaces.
pub(crate) fn place_in(
    parts: Vec<Part>,
    occurrence: Option<u64>,
    part: &ImagePart,
) -> Result<Part, Refusal> {
    let same = |old: &Part| match (&old.code, &part.code) {
        (PartCode::Native { name: a, .. }, PartCode::Native { name: b, .. }) => a == b,
        _ => old.role.is_some() && old.role == part.role,
    };
    let found = match occurrence {
        Some(wanted) => parts.into_iter().find(|old| old.occurrence == wanted),
        None => match parts.iter().position(same) {
            Some(at) => parts.into_iter().nth(at),
            None => the_only_one(parts, part),
        },
    };
    found.ok_or_else(|| {
        Refusal::new(Code::Unknown, "the body has no such part")
            .hint("`medium show` lists the occurrences")
    })
}

/// From what a part goes on in a seat that comes into the place of another, and what it has of its own.
pub(crate) fn successor_of(
    first_code: u64,
    seat: &mut Seat,
    old: &Part,
    part: &ImagePart,
) -> (Source, Option<Bytes>) {
    let state = |seat: &mut Seat| {
        let states = states_of(seat, first_code);
        let own = states.into_iter().find(|(at, _)| *at == old.occurrence);
        own.map(|(_, state)| state)
    };
    match (&old.code, &part.code) {
        // The same code with another argument is another part, as a cartridge in a slot is: it begins.
        (PartCode::WebAssembly { module: a, .. }, PartCode::WebAssembly { module: b, .. })
            if a == b && old.contents != part.contents =>
        {
            (begun(part), None)
        }
        (a, b) if a == b => match state(seat) {
            Some(image) => (Source::Image(image.clone()), Some(image)),
            None => (Source::Birth, None),
        },
        (PartCode::WebAssembly { .. }, PartCode::WebAssembly { .. }) => {
            match seat.enclave_mut().map(|e| e.save(old.occurrence)) {
                Some(Ok(save)) => (Source::Save(save), None),
                _ => (begun(part), None),
            }
        }
        _ => (begun(part), None),
    }
}

/// From what a part goes on that comes with a state, or begins.
pub(crate) fn begun(part: &ImagePart) -> Source {
    part.state.clone().map_or(Source::Birth, Source::Image)
}

/// The one sandboxed part whose every given channel a candidate gives as well, if there is just one: what a
/// newer version of it would be put in the place of.
fn the_only_one(parts: Vec<Part>, candidate: &ImagePart) -> Option<Part> {
    if !matches!(candidate.code, PartCode::WebAssembly { .. }) {
        return None;
    }
    let covered = |old: &Part| {
        let gives = old.gives();
        let given = |channel: &Channel| candidate.channels.contains(&(*channel, Polarity::Gives));
        matches!(old.code, PartCode::WebAssembly { .. })
            && !gives.is_empty()
            && gives.iter().all(given)
    };
    let mut found = parts.into_iter().filter(covered);
    let first = found.next();
    first.filter(|_| found.next().is_none())
}

/// Puts a candidate into an image; gives its occurrence.
pub(crate) fn with_candidate(image: &mut Image, candidate: &Candidate<'_>) -> u64 {
    let mut part = candidate.part.clone();
    let place = candidate.replaces.unwrap_or(image.next_occurrence);
    part.occurrence = place;
    match image.parts.iter_mut().find(|old| old.occurrence == place) {
        Some(old) => *old = part,
        None => image.parts.push(part),
    }
    place
}

fn said(why: &str) -> &str {
    if why.is_empty() {
        "it does not say why"
    } else {
        why
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn in_test(fault: Fault) -> Refusal {
    Refusal::new(fault.code, format!("its own test failed: {}", fault.what))
}
