//! The words of guardians: `cohold guardian` for the people who guard, `cohold account guardians` for
//! whoever has them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use cohold_model::{AccountId, EntityName, PartyName};

use super::EpochArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum GuardianCommand {
    /// Write the card that you hand to somebody whose account you will guard.
    #[command(after_help = "Tell them the fingerprint yourself, not together with the file.\n\n\
        Example:\n  cohold --home ./bo guardian card --name bo --out bo.card.json")]
    Card {
        /// What you are called in their accounts.
        #[arg(long)]
        name: PartyName,
        /// Who you are to the outside; otherwise your name.
        #[arg(long)]
        entity: Option<EntityName>,
        /// Where the card goes.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Take a piece that somebody handed you: check it against the account, keep it, write a receipt.
    #[command(after_help = "Exit codes: 0 kept, 1 the piece is wrong or not for you.\n\n\
        Example:\n  cohold --home ./bo guardian accept acc_…-bo.packet.json --out bo.receipt.json")]
    Accept {
        /// The packet.
        file: PathBuf,
        /// Where the receipt goes, which you send back.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// List the pieces that you hold.
    #[command(after_help = "Example:\n  cohold --home ./bo guardian list")]
    List,
    /// Check the pieces that you hold once more, against their accounts.
    #[command(after_help = "Example:\n  cohold --home ./bo guardian check acc_…")]
    Check {
        /// The account; otherwise all.
        account: Option<AccountId>,
    },
    /// Confirm that you know who asks for an account on a new device. It gives nothing away yet.
    #[command(after_help = "Call the person first, and compare the fingerprint of the new device.\n\n\
        Exit codes: 0 confirmed, 1 refused or not confirmed.\n\n\
        Example:\n  cohold --home ./bo guardian confirm request.json --out bo.confirmation.json")]
    Confirm {
        /// What the new device wrote.
        file: PathBuf,
        /// Where the confirmation goes, which you send back.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Seal your piece to the new device, once the wait is over.
    #[command(after_help = "Exit codes: 0 sealed, 1 refused, 3 too early.\n\n\
        Example:\n  cohold --home ./bo guardian release request.json --out bo.piece.json")]
    Release {
        /// What the new device wrote after the wait.
        file: PathBuf,
        /// Where the sealed piece goes, which you send back.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Take a confirmation back, so that another request can be confirmed. The wait begins anew then.
    #[command(after_help = "Example:\n  cohold --home ./bo guardian withdraw acc_…")]
    Withdraw {
        /// The account.
        account: AccountId,
    },
}

/// Who guards, and on which terms.
#[derive(Debug, Default, Args)]
pub(crate) struct GuardedArgs {
    /// A guardian: the file of its card, and the fingerprint that it told you.
    #[arg(long, value_name = "CARD=FINGERPRINT", requires = "guardians_needed")]
    pub(crate) guardian: Vec<String>,
    /// How many guardians it takes, two at least.
    #[arg(long, value_name = "NUMBER", requires = "guardian")]
    pub(crate) guardians_needed: Option<u8>,
    /// How long guardians and nodes wait: `48h`, `7d`.
    #[arg(long, value_name = "TIME", default_value = "48h", requires = "guardian")]
    pub(crate) guardian_delay: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GuardiansCommand {
    /// Have guardians, other ones, or none: another charter for the account.
    #[command(after_help = "The address stays. The guardians' pieces are written as files.\n\n\
        Exit codes: 0 in the next epoch, 1 refused, 2 usage, 3 parties are away.\n\n\
        Examples:\n  cohold account guardians set acc_… --guardian bo.card.json=0123… --guardian cy.card.json=4567… \
        --guardians-needed 2 --guardian-delay 48h --recovery recovery.txt\n  \
        cohold account guardians set acc_… --none")]
    Set(SetArgs),
    /// Write the guardians' pieces again, from the recovery file. Earlier ones of this epoch stop to fit.
    #[command(after_help = "Example:\n  cohold account guardians deal acc_… --recovery recovery.txt")]
    Deal {
        /// The account.
        account: AccountId,
        /// The recovery file of the present epoch.
        #[arg(long, value_name = "FILE")]
        recovery: PathBuf,
        /// A file with its passphrase; otherwise `COHOLD_RECOVERY_PASSPHRASE` or a prompt.
        #[arg(long, value_name = "FILE")]
        recovery_passphrase_file: Option<PathBuf>,
        /// Where the packets go; otherwise into the device's folder.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Take guardians' receipts: the certificate counts a guardian as known by them.
    #[command(after_help = "Example:\n  cohold account guardians receipt acc_… bo.receipt.json")]
    Receipt {
        /// The account.
        account: AccountId,
        /// The receipts.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Show the guardians of an account, and who has sent a receipt.
    #[command(after_help = "Example:\n  cohold account guardians show acc_…")]
    Show {
        /// The account.
        account: AccountId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The account.
    pub(crate) account: AccountId,
    #[command(flatten)]
    pub(crate) guarded: GuardedArgs,
    /// No guardians from now on.
    #[arg(long, conflicts_with = "guardian")]
    pub(crate) none: bool,
    /// A recovery file of the account, to deal in the place of a node: it takes nobody's wait then.
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) epoch: EpochArgs,
}
