//! The programs outside that a birth brings with it: looked at before it, begun after it.

use actors::birth::{Birth, CodeBirth};
use actors::runtime::Runtime;
use adapters::outside::Asks;
use genesis::id::{Digest, VcId};
use genesis::image::{Code as PartCode, Image};
use genesis::refusal::{Code, Refusal};

use crate::outside::{Granted, ProgramView, Programs, Speaks};

/// A program, where in the birth it is, and what it may do.
pub(super) struct Planned {
    /// The names that lead to its VC, from that which is born.
    path: Vec<String>,
    speaks: Speaks,
    may: Vec<String>,
}

/// Looks at all programs of a birth: whether each may have what it asks for, and can be run.
///
/// # Errors
/// [`Refusal`] says which program asks for what, or is another one than was expected.
pub(super) fn plan(
    programs: &Programs,
    birth: &Birth,
    granted: &Granted,
    expect: Option<&str>,
) -> Result<Vec<Planned>, Refusal> {
    let mut found = Vec::new();
    collect(birth, &mut Vec::new(), &mut found)?;
    planned(programs, found, birth.name.as_deref(), granted, expect)
}

/// Looks at all programs of a frozen VC, as [`plan`] does.
///
/// # Errors
/// As [`plan`].
pub(super) fn plan_image(
    programs: &Programs,
    image: &Image,
    name: Option<&str>,
    granted: &Granted,
    expect: Option<&str>,
) -> Result<Vec<Planned>, Refusal> {
    let mut found = Vec::new();
    collect_image(image, &mut Vec::new(), &mut found)?;
    planned(programs, found, name, granted, expect)
}

fn planned(
    programs: &Programs,
    found: Vec<Found>,
    name: Option<&str>,
    granted: &Granted,
    expect: Option<&str>,
) -> Result<Vec<Planned>, Refusal> {
    let all: Vec<_> = found.iter().map(|(_, speaks)| speaks.digest()).collect();
    let name = name.unwrap_or("it");
    is_expected(name, &all, expect)?;
    let plan = |(path, speaks): Found| {
        let called = path.last().map_or(name, String::as_str);
        let may = speaks.plan(programs, called, granted)?;
        Ok(Planned { path, speaks, may })
    };
    found.into_iter().map(plan).collect()
}

/// For whom a VC speaks, and the names that lead to it.
type Found = (Vec<String>, Speaks);

/// Whether all programs are among those that were meant (digests with `,` between them): another of the same name is
/// refused.
///
/// # Errors
/// [`Code::Denied`].
pub(crate) fn is_expected(
    name: &str,
    programs: &[Digest],
    expect: Option<&str>,
) -> Result<(), Refusal> {
    let Some(expect) = expect else { return Ok(()) };
    let digests: Vec<_> = programs.iter().map(Digest::to_string).collect();
    let expected: Vec<&str> = expect.split(',').collect();
    let is_expected = |digest: &String| expected.contains(&digest.as_str());
    if !digests.is_empty() && digests.iter().all(is_expected) {
        return Ok(());
    }
    let has = match digests.as_slice() {
        [] => "speaks for no program".to_owned(),
        digests => format!("is program {}", digests.join(", ")),
    };
    let what = format!("`{name}` {has}, not {expect}: it is another one of the same name");
    Err(Refusal::new(Code::Denied, what)
        .hint("compare the two before you trust it; without `--expect` any program is taken"))
}

fn collect(birth: &Birth, path: &mut Vec<String>, found: &mut Vec<Found>) -> Result<(), Refusal> {
    for part in &birth.parts {
        match &part.code {
            CodeBirth::Native { name, argument, .. } => {
                let speaks = Speaks::of(name, argument)?;
                found.extend(speaks.map(|speaks| (path.clone(), speaks)));
            }
            CodeBirth::Computer(inner) => {
                path.push(part.role.clone().unwrap_or_default());
                collect(inner, path, found)?;
                path.pop();
            }
            _ => {}
        }
    }
    Ok(())
}

fn collect_image(
    image: &Image,
    path: &mut Vec<String>,
    found: &mut Vec<Found>,
) -> Result<(), Refusal> {
    for part in &image.parts {
        if let PartCode::Native { name, .. } = &part.code {
            let speaks = Speaks::of(name, &part.contents)?;
            found.extend(speaks.map(|speaks| (path.clone(), speaks)));
        }
        if let Some(inner) = part.computer() {
            let inner = Image::from_trusted_bytes(inner)
                .map_err(|error| Refusal::new(Code::Malformed, error.to_string()))?;
            let step = part.role.clone();
            path.push(step.unwrap_or_else(|| part.occurrence.to_string()));
            collect_image(&inner, path, found)?;
            path.pop();
        }
    }
    Ok(())
}

/// Begins the programs of a VC that was born, or goes on.
pub(super) async fn begin(
    runtime: &Runtime,
    programs: &Programs,
    id: VcId,
    plans: Vec<Planned>,
    granted: &Granted,
) -> Result<Vec<ProgramView>, Refusal> {
    let mut views = Vec::with_capacity(plans.len());
    let asked: Vec<(Vec<String>, Asks)> = plans
        .iter()
        .map(|planned| (planned.path.clone(), planned.speaks.asks().clone()))
        .collect();
    for planned in plans {
        let mut address = id.to_string();
        for step in &planned.path {
            address.push('/');
            address.push_str(step);
        }
        let vc = runtime.resolve(&address).await?;
        if planned.path.is_empty() {
            programs.grant(vc, granted)?;
        } else {
            // What is granted to all is kept for the one that asks for it, so that no other comes by it later.
            let own = asked.iter().filter(|(path, _)| *path == planned.path);
            let own: Vec<_> = own.map(|(_, asks)| asks).collect();
            programs.grant(vc, &granted.only(&own))?;
        }
        programs.start(vc);
        views.push(ProgramView {
            member: planned.path.join("/"),
            ..planned.speaks.view(vc, planned.may)
        });
    }
    Ok(views)
}
