//! What a run found, in lists that end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Standing;
use crate::diff::{Difference, Verdict, difference};
use crate::evaluation::Class;
use crate::model::Model;

/// Entries of a list that are kept; all are counted.
const LISTED_MAX: usize = 1_000;
/// Examples of a class.
const EXAMPLES_MAX: usize = 3;
/// Sentences of one change.
const SENTENCES_MAX: usize = 24;

/// All classes, the worst first.
const CLASSES: [Class; 7] = [
    Class::Custodial,
    Class::RestrictedCustody,
    Class::Collusive,
    Class::Hostage,
    Class::SemiCustodial,
    Class::NonCustodial,
    Class::MpcSelfCustody,
];

/// What a run over many accounts found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// When, in seconds since 1970.
    pub at: u64,
    /// When the run was that this one is compared with; none if with none.
    pub since: Option<u64>,
    /// How many accounts were evaluated.
    pub accounts: u64,
    /// How many different models they have.
    pub models: u64,
    /// Accounts by class, the worst class first.
    pub classes: Vec<ClassGroup>,
    /// How many accounts are as they were.
    pub unchanged: u64,
    /// Accounts that were not there, if there is a run to compare with.
    pub new: Named,
    /// Accounts that are no longer there.
    pub gone: Named,
    /// How many accounts changed, by verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// The changes: crossings first, then by account.
    pub changes: Vec<Change>,
    /// What could not be evaluated.
    pub failed: Failed,
}

/// The accounts of a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassGroup {
    /// The class.
    pub class: Class,
    /// How many.
    pub accounts: u64,
    /// The first few, by name.
    pub examples: Vec<String>,
}

/// A list of accounts that ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub accounts: Vec<String>,
}

/// What could not be evaluated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// How many.
    pub count: u64,
    /// The first of them: where it stands, and why.
    pub list: Vec<(String, String)>,
}

/// An account that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The account.
    pub account: String,
    /// Its class before and after.
    pub class: (Class, Class),
    /// What the comparison says.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// What a comparison says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// How the change stands to the red line; one that cannot be compared counts as crossing it.
    pub verdict: Verdict,
    /// Who gains and who loses: for a crossing what crosses, else everything.
    pub sentences: Vec<String>,
}

/// Compares two models of an account. What cannot be compared counts as crossing the red line.
pub fn compare(old: &Model, new: &Model) -> Comparison {
    match difference(old, new) {
        Ok(difference) => told(&difference),
        Err(error) => Comparison {
            verdict: Verdict::CrossesTheRedLine,
            sentences: vec![format!("it cannot be compared, which counts as crossing: {error}")],
        },
    }
}

fn told(difference: &Difference) -> Comparison {
    let all = difference.gained.iter().chain(&difference.lost).map(|change| change.sentence.as_str());
    let sentences: Vec<&str> = match difference.verdict {
        Verdict::CrossesTheRedLine => difference.crossings(),
        _ => all.collect(),
    };
    let sentences = sentences.into_iter().take(SENTENCES_MAX).map(str::to_owned).collect();
    Comparison { verdict: difference.verdict, sentences }
}

impl Report {
    /// A report of now, compared with a run of then.
    pub fn new(at: u64, since: Option<u64>) -> Self {
        Self { at, since, ..Self::default() }
    }

    /// An account was evaluated.
    pub fn found(&mut self, account: &str, standing: Standing) {
        self.accounts += 1;
        let rank = |class: Class| CLASSES.iter().position(|other| *other == class);
        let place = self.classes.binary_search_by_key(&rank(standing.class), |group| rank(group.class));
        let new = ClassGroup { class: standing.class, accounts: 0, examples: Vec::new() };
        let index = place.unwrap_or_else(|index| {
            self.classes.insert(index, new);
            index
        });
        if let Some(group) = self.classes.get_mut(index) {
            group.accounts += 1;
            keep(&mut group.examples, account.to_owned(), EXAMPLES_MAX, |name| name.clone());
        }
    }

    /// An account is there for the first time.
    pub fn is_new(&mut self, account: &str) {
        self.new.add(account);
    }

    /// An account is no longer there.
    pub fn is_gone(&mut self, account: &str) {
        self.gone.add(account);
    }

    /// An account changed.
    pub fn is_changed(&mut self, change: Change) {
        *self.verdicts.entry(change.comparison.verdict.words().to_owned()).or_default() += 1;
        let key = |change: &Change| {
            (change.comparison.verdict != Verdict::CrossesTheRedLine, change.account.clone())
        };
        keep(&mut self.changes, change, LISTED_MAX, key);
    }

    /// Something could not be evaluated.
    pub fn is_failed(&mut self, place: String, error: String) {
        self.failed.count += 1;
        keep(&mut self.failed.list, (place, error), LISTED_MAX, |(place, _)| place.clone());
    }

    /// How many accounts crossed the red line.
    pub fn crossed(&self) -> u64 {
        self.verdicts.get(Verdict::CrossesTheRedLine.words()).copied().unwrap_or(0)
    }

    /// How many accounts have one of these classes.
    pub fn of_class(&self, classes: &[Class]) -> u64 {
        let groups = self.classes.iter().filter(|group| classes.contains(&group.class));
        groups.map(|group| group.accounts).sum()
    }
}

impl Named {
    fn add(&mut self, account: &str) {
        self.count += 1;
        keep(&mut self.accounts, account.to_owned(), LISTED_MAX, |name| name.clone());
    }
}

/// Keeps the least of a list, in order, whatever the order in which they come.
fn keep<T, K: Ord>(list: &mut Vec<T>, item: T, max: usize, key: impl Fn(&T) -> K) {
    let place = list.partition_point(|other| key(other) <= key(&item));
    if place < max {
        list.insert(place, item);
        list.truncate(max);
    }
}
