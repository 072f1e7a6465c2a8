//! The regimes in words: names, sources, criteria.

use super::{Described, Regime};

impl Regime {
    /// All of them, in the order in which they are printed.
    pub const ALL: [Self; 7] = [
        Self::Fincen2019,
        Self::Fatf2021,
        Self::Mica,
        Self::SwissAmlo,
        Self::SwissDeba,
        Self::Ucc12105,
        Self::Brca,
    ];

    /// A short name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Fincen2019 => "FinCEN 2019",
            Self::Fatf2021 => "FATF 2021",
            Self::Mica => "MiCA",
            Self::SwissAmlo => "Swiss AMLO",
            Self::SwissDeba => "Swiss DEBA",
            Self::Ucc12105 => "UCC 12-105",
            Self::Brca => "BRCA",
        }
    }

    /// Where the words are found.
    pub fn source(self) -> &'static str {
        match self {
            Self::Fincen2019 => {
                "FinCEN, FIN-2019-G001 (9 May 2019), section 4.2, criterion (d), and section 4.2.3"
            }
            Self::Fatf2021 => {
                "FATF, Updated Guidance for a Risk-Based Approach to Virtual Assets and VASPs (October 2021), \
                 paragraphs 72 and 73"
            }
            Self::Mica => "Regulation (EU) 2023/1114, Article 3(1), point (17), and recital 83",
            Self::SwissAmlo => {
                "Anti-Money Laundering Ordinance (SR 955.01), Article 4(1)(b), since 1 August 2021"
            }
            Self::SwissDeba => {
                "Debt Enforcement and Bankruptcy Act (SR 281.1), Article 242a(1); dispatch BBl 2020 233, page 264"
            }
            Self::Ucc12105 => "Uniform Commercial Code, section 12-105(a) to (c) (2022 amendments)",
            Self::Brca => {
                "Blockchain Regulatory Certainty Act of 2026, S. 3611 (119th Congress), section 2(a)(5); \
                 a bill, not law"
            }
        }
    }

    /// What is computed for an entity, without doubts.
    pub fn criterion(self) -> &'static str {
        match self {
            Self::Fincen2019 => {
                "total independent control: alone it can move everything, or any amount of an asset to anybody, set \
                 the conditions or recover control, at any time"
            }
            Self::Fatf2021 => {
                "control need not be unilateral: its part is needed by some least group that can move, even within \
                 a limit, set the conditions or recover control; or nobody can move without it"
            }
            Self::Mica => {
                "controlling the assets or the means of access: alone it can move, even within a limit, or nobody \
                 can move without it"
            }
            Self::SwissAmlo => {
                "helping to transfer: alone it can move, even within a limit; or its part completes a group that \
                 otherwise has things of the user only; or nobody can move without it"
            }
            Self::SwissDeba => {
                "power of disposal that makes the assets part of its estate: alone it can move, even within a limit, \
                 and the user alone cannot move at once"
            }
            Self::Ucc12105 => {
                "exclusive power, which may be shared: alone it can move everything, or any amount of an asset to \
                 anybody; or it can move everything together with others of whom none can without it"
            }
            Self::Brca => {
                "unilateral and independent ability to control, initiate or effectuate: alone it can move, even \
                 within a limit, at any time"
            }
        }
    }

    pub(super) fn described(self) -> Described {
        Described {
            regime: self,
            title: self.title().to_owned(),
            source: self.source().to_owned(),
            criterion: self.criterion().to_owned(),
        }
    }
}
