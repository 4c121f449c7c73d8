//! Labels of a host.

use model::lattice::PutLabel;

use crate::state::State;

/// Puts a label, or takes it out where there is no value. Says whether anything is to be said of it.
pub(crate) fn change_label(state: &mut State, label: PutLabel, is_put: bool) -> Result<(&'static str, bool), String> {
    if label.key.to_lowercase().starts_with("hostcore.") {
        return Err("hostcore.* labels cannot be set dynamically".into());
    }
    if is_put {
        state.labels.insert(label.key, label.value);
        return Ok(("successfully put label", true));
    }
    Ok(match state.labels.remove(&label.key) {
        Some(_) => ("successfully deleted label", true),
        None => ("successfully deleted label (no such label)", false),
    })
}
