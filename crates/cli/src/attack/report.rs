//! What is told of attacks: one value each, and a page for people.

use cohold_model::AccountId;
use cohold_model::account::Template;
use serde::Serialize;

use super::coalition::Play;
use super::loot::{Opened, Spoils, Taken, Tried};
use super::run::Target;
use super::strategy::Strategy;

/// One coalition, played.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Attack {
    pub(crate) account: AccountId,
    pub(crate) template: Template,
    pub(crate) coalition: Vec<String>,
    /// The powers that the model says it has; none: it cannot.
    pub(crate) powers: Vec<String>,
    pub(crate) outcome: Outcome,
    /// Why it is an assumption, or what contradicts the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    pub(crate) opened: Vec<Opened>,
    pub(crate) transactions: Vec<Taken>,
    pub(crate) tried: Vec<Tried>,
    pub(crate) seconds: f64,
}

/// How an attack ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// A mined transaction took everything.
    Moved,
    /// Mined transactions took something within a limit; more was refused.
    MovedWithin,
    /// Everything that was tried came to nothing.
    Held,
    /// It rests on an assumption that cannot be made true here.
    Assumption,
    /// The model counts it against the account, but no program offers the way.
    NotOffered,
    /// It takes longer than is waited here.
    NotWaited,
    /// The model says otherwise.
    Contradiction,
}

impl Attack {
    pub(crate) fn of(target: &Target, play: &Play) -> Self {
        let terms = &target.charter.document.terms;
        Self {
            account: terms.account,
            template: terms.template,
            coalition: play.coalition.clone(),
            powers: play.powers.clone(),
            outcome: Outcome::Assumption,
            why: None,
            opened: Vec::new(),
            transactions: Vec::new(),
            tried: Vec::new(),
            seconds: 0.0,
        }
    }

    pub(crate) fn tell(&mut self, play: &Play, spoils: Spoils, contradiction: Option<String>) {
        self.outcome = match contradiction {
            Some(_) => Outcome::Contradiction,
            None => Outcome::of(play, &spoils),
        };
        let unplayable = spoils
            .waits
            .iter()
            .chain(&spoils.unplayable)
            .next()
            .map(|(power, why)| format!("`{power}`: {why}"));
        self.why = contradiction.or(unplayable);
        self.opened = spoils.opened;
        self.transactions = spoils.taken;
        self.tried = spoils.tried;
    }

    /// One line.
    pub(crate) fn line(&self) -> String {
        let coalition = self.coalition.join(", ");
        let tries: u64 = self.tried.iter().map(|tried| u64::from(tried.tries)).sum();
        let hashes: Vec<&str> = self.transactions.iter().map(|taken| taken.hash.as_str()).collect();
        let why = self.why.as_deref().unwrap_or("no reason is known");
        let came = match self.outcome {
            Outcome::Moved => format!("took everything: {}", hashes.join(" ")),
            Outcome::MovedWithin => format!(
                "took within {}, was refused more: {}",
                self.transactions.iter().map(|taken| taken.power.as_str()).collect::<Vec<_>>().join(", "),
                hashes.join(" ")
            ),
            Outcome::Held => format!("came to nothing in {tries} tries"),
            Outcome::Assumption => format!("not played: {why}"),
            Outcome::NotOffered => format!("counted, but no program offers it: {why}"),
            Outcome::NotWaited => format!("not waited for: {why}"),
            Outcome::Contradiction => format!("CONTRADICTS THE MODEL: {why}"),
        };
        format!("  {:12} {:56} {came}", self.outcome.mark(), format!("{{{coalition}}}"))
    }
}

impl Outcome {
    fn mark(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::MovedWithin => "within limit",
            Self::Held => "held",
            Self::Assumption => "assumption",
            Self::NotOffered => "not offered",
            Self::NotWaited => "not waited",
            Self::Contradiction => "WRONG",
        }
    }
}

/// A page: every attack, and what the attempts that failed are worth.
pub(crate) fn page(attacks: &[Attack]) -> String {
    let mut text = String::new();
    let mut last = None;
    for attack in attacks {
        if last != Some(attack.account) {
            last = Some(attack.account);
            text += &format!("{} ({})\n", attack.account, template(attack.template));
        }
        text += &attack.line();
        text.push('\n');
    }
    let count = |outcome| attacks.iter().filter(|attack| attack.outcome == outcome).count();
    text += &format!(
        "{} moved, {} moved within a limit, {} could not, {} rest on an assumption, {} are counted but not offered, {} are not waited for, {} contradict the model\n",
        count(Outcome::Moved),
        count(Outcome::MovedWithin),
        count(Outcome::Held),
        count(Outcome::Assumption),
        count(Outcome::NotOffered),
        count(Outcome::NotWaited),
        count(Outcome::Contradiction),
    );
    if attacks.iter().any(|attack| !attack.tried.is_empty()) {
        text += "attempts that failed are tests, not proofs. Tried were:\n";
        for strategy in Strategy::ALL {
            let of = || attacks.iter().flat_map(|attack| &attack.tried).filter(|t| t.strategy == strategy);
            let tries: u64 = of().map(|tried| u64::from(tried.tries)).sum();
            if of().next().is_some() {
                text += &format!("  {tries:5} times  {}\n", strategy.words());
            }
        }
    }
    text
}

fn template(template: Template) -> &'static str {
    match template {
        Template::Personal => "personal",
        Template::Enterprise => "enterprise",
        Template::Shared => "shared",
        Template::Free => "free",
    }
}
