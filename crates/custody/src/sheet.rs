//! The human sheet.
/// Renders.
pub fn render(_: &crate::Model, _: &crate::Evaluation) -> String {
    String::new()
}
