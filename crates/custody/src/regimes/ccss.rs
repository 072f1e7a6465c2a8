//! The CryptoCurrency Security Standard, aspects 1.01 to 1.06: what a model can answer of it.

use super::standing::World;
use super::{AspectFinding, Verdict};

const SOURCE: &str = "CryptoCurrency Certification Consortium, CryptoCurrency Security Standard 9.0";

/// One for each aspect or, of 1.02, for each of its controls that a model decides.
pub(super) fn findings(world: &World<'_>) -> Vec<AspectFinding> {
    vec![
        unknown("1.01", "Key material generation", "how, where and with which randomness keys were made"),
        signing(world),
        redundancy(world),
        unknown("1.02.3", "Geographic distribution", "where on earth each thing lies"),
        organisations(world),
        unknown("1.03", "Key material storage", "ciphers, seals and guards of backups"),
        unknown("1.04", "Key usage", "who the operators are and what they check before they sign"),
        unknown(
            "1.05",
            "Key compromise protocol",
            "what the written protocol says, and whether it is rehearsed",
        ),
        unknown("1.06", "Keyholder grant and revoke", "how people are given access and lose it"),
    ]
}

fn unknown(aspect: &str, title: &str, needs: &str) -> AspectFinding {
    finding(aspect, title, Verdict::NotComputed, needs, format!("the model does not say {needs}"))
}

fn finding(aspect: &str, title: &str, verdict: Verdict, criterion: &str, because: String) -> AspectFinding {
    AspectFinding {
        aspect: aspect.to_owned(),
        title: title.to_owned(),
        source: SOURCE.to_owned(),
        criterion: criterion.to_owned(),
        verdict,
        because,
    }
}

/// 1.02.1: more than one signer.
fn signing(world: &World<'_>) -> AspectFinding {
    let alone = singles(world.solid).find(|single| world.moves(*single));
    let because = match alone {
        Some(single) => format!("{} alone can move everything", world.group(single)),
        None if world.moves(0) => "anybody at all can move everything".to_owned(),
        None => "no single thing moves everything".to_owned(),
    };
    let met = alone.is_none() && !world.moves(0);
    let criterion = "no single party or object can move everything";
    finding("1.02.1", "Signing configuration (multi-signer)", Verdict::of(met), criterion, because)
}

/// 1.02.2: one is lost and the funds are not.
fn redundancy(world: &World<'_>) -> AspectFinding {
    let needed = singles(world.solid).find(|single| !world.moves(world.solid & !single));
    let because = match needed {
        _ if !world.moves(world.solid) => "nobody can move at all".to_owned(),
        Some(single) => format!("without {} nobody can move", world.group(single)),
        None => "whichever single thing is lost, the others can move".to_owned(),
    };
    let met = world.moves(world.solid) && needed.is_none();
    let criterion =
        "after the loss of any single party or object, all others together can still move everything";
    finding("1.02.2", "Key material redundancy", Verdict::of(met), criterion, because)
}

/// 1.02.4: no organisation has enough.
fn organisations(world: &World<'_>) -> AspectFinding {
    let alone = world.entity_that_moves();
    let because = match alone {
        Some(entity) => format!("{entity} alone can move everything"),
        None => "no entity alone moves everything".to_owned(),
    };
    let criterion = "no single entity, the user included, can move everything";
    finding("1.02.4", "Organizational distribution", Verdict::of(alone.is_none()), criterion, because)
}

fn singles(set: u32) -> impl Iterator<Item = u32> {
    (0..u32::BITS).map(|bit| 1 << bit).filter(move |single| set & single != 0)
}
