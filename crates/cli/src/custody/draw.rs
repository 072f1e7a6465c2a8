//! `cohold custody draw`: the drawing of an account or of a model file.

use std::path::Path;

use anyhow::Context as _;
use cohold_custody::{draw, evaluate};
use serde_json::json;

use super::{asked, model};
use crate::args::{Global, ModelArgs};
use crate::output::Output;

/// Writes the drawing to a file, or to standard output.
pub(crate) async fn run(
    output: Output,
    global: &Global,
    of: &ModelArgs,
    out: Option<&Path>,
) -> anyhow::Result<()> {
    let model = model(output, global, of).await?;
    let evaluation = evaluate(&model).map_err(|error| asked(&error))?;
    let drawing = draw(&model, &evaluation);
    let mut value = json!({"account": model.account(), "class": evaluation.class});
    match out {
        Some(path) => {
            std::fs::write(path, &drawing).with_context(|| format!("cannot write `{}`", path.display()))?;
            value["file"] = json!(path);
            output.result(&value, || format!("{}: {}", evaluation.class, path.display()))
        }
        None => {
            value["svg"] = json!(drawing);
            output.result(&value, || drawing)
        }
    }
}
