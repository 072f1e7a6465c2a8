//! `cohold custody verify`: a certificate from a file, checked with nothing but the file. No device, no
//! server, no network.

use std::path::Path;

use cohold_custody::certificate::{
    BYTES_MAX, Expect, Link, Verified, VerifyError, parse, verify as verify_bytes,
};
use cohold_custody::sheet;
use cohold_model::civil::utc;
use serde_json::json;

use super::read_at_most;
use crate::args::{AtArg, VerifyArgs};
use crate::output::{Exit, Failure, Output, Told};

/// Checks a certificate; fails, after it was said why, where it does not hold.
pub(crate) fn run(output: Output, args: &VerifyArgs) -> anyhow::Result<()> {
    if args.previous.as_deref() == Some(Path::new("-")) && args.file == Path::new("-") {
        return Err(Failure::error(Exit::Usage, "usage", "only one of both can be read from standard input"));
    }
    match check(args)? {
        Ok(verified) => tell(output, args, &verified),
        Err(error) => {
            let faults = error.sentences();
            let message = format!("`{}` does not hold", args.file.display());
            let value = json!({
                "ok": false,
                "error": {"code": "certificate-refused", "message": format!("{message}: {}", faults.join("; "))},
                "faults": faults,
            });
            let lines: Vec<_> = faults.iter().map(|fault| format!("\n  - {fault}")).collect();
            output.result(&value, || format!("{message}:{}", lines.concat()))?;
            Err(Told(Exit::Failed).into())
        }
    }
}

fn check(args: &VerifyArgs) -> anyhow::Result<Result<Verified, VerifyError>> {
    let bytes = read_at_most(&args.file, BYTES_MAX as u64 + 1, "certificate")?;
    let at = match args.at {
        None => cohold_node::now(),
        Some(AtArg::Time(time)) => time,
        Some(AtArg::Issued) => match parse(&bytes) {
            Ok(signed) => signed.document.issued_at,
            Err(error) => return Ok(Err(error.into())),
        },
    };
    let previous = args.previous.as_deref().map(|path| before(args, path)).transpose()?;
    let expect = Expect { at, issuer: args.issuer.as_deref(), previous, ..Expect::default() };
    Ok(verify_bytes(&bytes, &expect))
}

/// The certificate before, which must hold as of when it was issued.
fn before(args: &VerifyArgs, path: &Path) -> anyhow::Result<Link> {
    let bytes = read_at_most(path, BYTES_MAX as u64 + 1, "certificate")?;
    let name = format!("the one before, `{}`,", path.display());
    held(&name, &bytes, args.issuer.as_deref()).map(|verified| verified.link)
}

/// A certificate that holds as of when it was issued.
pub(super) fn held(name: &str, bytes: &[u8], issuer: Option<&str>) -> anyhow::Result<Verified> {
    let held = || {
        let at = parse(bytes)?.document.issued_at;
        verify_bytes(bytes, &Expect { at, issuer, ..Expect::default() })
    };
    held().map_err(|error: VerifyError| {
        let message = format!("{name} does not hold: {}", error.sentences().join("; "));
        Failure::error(Exit::Failed, "certificate-refused", message)
    })
}

fn tell(output: Output, args: &VerifyArgs, verified: &Verified) -> anyhow::Result<()> {
    let Verified { certificate, link, .. } = verified;
    let fingerprint = certificate.issuer.fingerprint();
    let dates = verified.dates();
    let value = json!({
        "ok": true,
        "account": certificate.account,
        "number": link.number,
        "digest": link.digest,
        "previous": certificate.previous,
        "issued_at": certificate.issued_at,
        "issuer": certificate.issuer,
        "fingerprint": fingerprint,
        "issuer_checked": args.issuer.is_some(),
        "previous_checked": args.previous.is_some(),
        "missing": certificate.missing,
        "class": certificate.evaluation.class,
        "exit_seconds": certificate.evaluation.exit_seconds,
        "assuming": certificate.evaluation.assuming,
        "dates": dates,
    });
    output.result(&value, || {
        let whose = match args.issuer {
            Some(_) => "as asked",
            None => "compare it with what the provider says, or give it with `--issuer`",
        };
        let chain = match (&certificate.previous, &args.previous) {
            (None, _) => "the first of its account".to_owned(),
            (Some(_), Some(_)) => format!("follows number {}", link.number.saturating_sub(1)),
            (Some(digest), None) => format!("says that it follows {digest}"),
        };
        let missing: Vec<_> = certificate.missing.iter().map(ToString::to_string).collect();
        let missing = if missing.is_empty() { "nobody".into() } else { missing.join(", ") };
        format!(
            "the certificate holds: all signatures, model and result are as its facts give them\n  \
             number   {}, {chain}\n  digest   {}\n  issued   {}\n  issuer   {fingerprint} \
             ({whose})\n  without a current word of their own: {missing}\n\n{}\n{}",
            link.number,
            link.digest,
            utc(certificate.issued_at),
            sheet::render(&certificate.model, &certificate.evaluation),
            dates.render(),
        )
    })
}
