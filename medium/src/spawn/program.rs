//! The programs outside that a birth brings with it: looked at before it, begun after it.

use actors::birth::{Birth, CodeBirth};
use actors::runtime::Runtime;
use genesis::id::{Digest, VcId};
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
    let all: Vec<_> = found.iter().map(|(_, _, speaks)| speaks.digest()).collect();
    is_expected(birth.name.as_deref().unwrap_or("it"), &all, expect)?;
    let plan = |(path, name, speaks): (Vec<String>, String, Speaks)| {
        let may = speaks.plan(programs, &name, granted)?;
        Ok(Planned { path, speaks, may })
    };
    found.into_iter().map(plan).collect()
}

/// Whether a program is the one that was meant: another of the same name is refused.
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
    if digests.iter().any(|digest| digest == expect) {
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

fn collect(
    birth: &Birth,
    path: &mut Vec<String>,
    found: &mut Vec<(Vec<String>, String, Speaks)>,
) -> Result<(), Refusal> {
    for part in &birth.parts {
        match &part.code {
            CodeBirth::Native { name, argument, .. } => {
                let Some(speaks) = Speaks::of(name, argument)? else {
                    continue;
                };
                let name = path.last().or(birth.name.as_ref());
                let name = name.map_or("it", String::as_str).to_owned();
                found.push((path.clone(), name, speaks));
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

/// Begins the programs of a VC that was born.
pub(super) async fn begin(
    runtime: &Runtime,
    programs: &Programs,
    id: VcId,
    plans: Vec<Planned>,
    granted: &Granted,
) -> Result<Vec<ProgramView>, Refusal> {
    let mut views = Vec::with_capacity(plans.len());
    for planned in plans {
        let mut address = id.to_string();
        for step in &planned.path {
            address.push('/');
            address.push_str(step);
        }
        let vc = runtime.resolve(&address).await?;
        programs.grant(vc, granted)?;
        programs.start(vc);
        views.push(planned.speaks.view(vc, planned.may));
    }
    Ok(views)
}
