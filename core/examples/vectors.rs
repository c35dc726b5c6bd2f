//! Prints the published vectors as they come out of the code: how `tests/vectors/protocol.json` is made anew when a
//! format changes on purpose. The test `golden` compares the file with the code.

#[path = "../tests/protocol/media.rs"]
mod media;
#[path = "../tests/protocol/notation.rs"]
mod notation;
#[path = "../tests/protocol/samples.rs"]
mod samples;
#[path = "../tests/protocol/vectors.rs"]
mod vectors;

fn main() {
    let vectors = vectors::build();
    for event in &vectors.events {
        let item = notation::from_json(&event.fields);
        assert_eq!(notation::to_json(&item), event.fields, "the notation is faithful");
    }
    println!("{}", serde_json::to_string_pretty(&vectors).expect("texts and numbers are JSON"));
}
