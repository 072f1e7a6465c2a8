//! Makes a file that shows a difference as small as it can be while it still shows it.

use serde_json::Value;

/// The least file that still fails, taking away one thing at a time. What is no JSON stays as it is.
pub(crate) fn shrink(file: &str, mut fails: impl FnMut(&str) -> bool) -> String {
    let Ok(mut least) = serde_json::from_str::<Value>(file) else { return file.to_owned() };
    if !fails(&least.to_string()) {
        return file.to_owned();
    }
    while let Some(less) = smaller(&least).into_iter().find(|less| fails(&less.to_string())) {
        least = less;
    }
    least.to_string()
}

/// Every value that is one step smaller: without one entry, or with one entry made smaller.
fn smaller(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => {
            let mut less: Vec<Value> = (0..items.len()).map(|index| without(items, index)).collect();
            for (index, item) in items.iter().enumerate() {
                less.extend(smaller(item).into_iter().map(|item| {
                    let mut items = items.clone();
                    items[index] = item;
                    Value::Array(items)
                }));
            }
            less
        }
        Value::Object(fields) => {
            let mut less: Vec<Value> = Vec::new();
            // A list of needs may stand for itself with one of its parts.
            less.extend(
                ["all", "any", "of"].iter().filter_map(|key| fields.get(*key)?.as_array()).flatten().cloned(),
            );
            for key in fields.keys() {
                let mut fields = fields.clone();
                fields.remove(key);
                less.push(Value::Object(fields));
            }
            for (key, item) in fields {
                less.extend(smaller(item).into_iter().map(|item| {
                    let mut fields = fields.clone();
                    fields.insert(key.clone(), item);
                    Value::Object(fields)
                }));
            }
            less
        }
        Value::Number(number) if number.as_u64().is_some_and(|number| number > 1) => vec![0.into(), 1.into()],
        _ => Vec::new(),
    }
}

fn without(items: &[Value], index: usize) -> Value {
    let kept = items.iter().enumerate().filter(|(place, _)| *place != index);
    Value::Array(kept.map(|(_, item)| item.clone()).collect())
}
