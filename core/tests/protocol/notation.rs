//! How the vector file writes DAG-CBOR in JSON: as it looks, and a byte string as `{"bytes": "<hexadecimal>"}`.
//!
//! Only what an event or frame may hold: no null, no float, no link.

use data_encoding::HEXLOWER;
use ipld_core::ipld::Ipld;
use serde_json::{Value, json};

/// Key of the map that stands for a byte string.
const BYTES: &str = "bytes";

pub(super) fn to_json(item: &Ipld) -> Value {
    match item {
        Ipld::Bool(value) => json!(value),
        Ipld::Integer(value) => json!(i64::try_from(*value).expect("integers are within 53 bits")),
        Ipld::String(value) => json!(value),
        Ipld::Bytes(value) => json!({ BYTES: HEXLOWER.encode(value) }),
        Ipld::List(items) => items.iter().map(to_json).collect(),
        Ipld::Map(entries) => {
            let ambiguous = entries.len() == 1 && matches!(entries.get(BYTES), Some(Ipld::String(_)));
            assert!(!ambiguous, "the notation cannot write this map");
            Value::Object(entries.iter().map(|(key, value)| (key.clone(), to_json(value))).collect())
        }
        Ipld::Null | Ipld::Float(_) | Ipld::Link(_) => panic!("{item:?} is not allowed"),
    }
}

pub(super) fn from_json(value: &Value) -> Ipld {
    match value {
        Value::Bool(value) => Ipld::Bool(*value),
        Value::Number(value) => Ipld::Integer(value.as_i64().expect("an integer").into()),
        Value::String(value) => Ipld::String(value.clone()),
        Value::Array(items) => Ipld::List(items.iter().map(from_json).collect()),
        Value::Object(entries) => match entries.get(BYTES) {
            Some(Value::String(hex)) if entries.len() == 1 => {
                Ipld::Bytes(HEXLOWER.decode(hex.as_bytes()).expect("lower-case hexadecimal"))
            }
            _ => Ipld::Map(entries.iter().map(|(key, value)| (key.clone(), from_json(value))).collect()),
        },
        Value::Null => panic!("null is not allowed"),
    }
}
