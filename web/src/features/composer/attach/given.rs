//! Files as the browser hands them over: chosen, dropped, pasted.

use wasm_bindgen::JsCast as _;
use web_sys::{ClipboardEvent, DataTransfer, DragEvent, File, FileList, FileSystemEntry};

use super::list::Offered;

/// Files with what is to be known before they are taken.
pub(super) type Given = Vec<(File, Offered)>;

/// What was chosen.
pub(super) fn chosen(files: Option<FileList>) -> Given {
    let files = files.into_iter().flat_map(|files| (0..files.length()).filter_map(move |at| files.get(at)));
    files.map(|file| (file.clone(), offered(&file, false))).collect()
}

/// Whether files are being dragged.
pub(super) fn carries_files(event: &DragEvent) -> bool {
    let types = event.data_transfer().map(|data| data.types());
    types.is_some_and(|types| types.includes(&"Files".into(), 0))
}

/// What was dropped.
pub(super) fn dropped(event: &DragEvent) -> Given {
    event.data_transfer().map(|data| transferred(&data)).unwrap_or_default()
}

/// What was pasted; nothing where a text is meant.
pub(super) fn pasted(event: &ClipboardEvent) -> Given {
    let Some(data) = event.clipboard_data() else { return Vec::new() };
    // Office programs put a picture of a text beside the text.
    let has = |kind: &str| data.types().includes(&kind.into(), 0);
    if has("text/plain") && has("text/html") { Vec::new() } else { transferred(&data) }
}

/// Only the items tell what is a folder.
fn transferred(data: &DataTransfer) -> Given {
    let items = data.items();
    let mut given = Vec::new();
    for item in (0..items.length()).filter_map(|at| items.get(at)) {
        if let Ok(Some(file)) = item.get_as_file() {
            let entry = item.webkit_get_as_entry().ok().flatten();
            let is_folder =
                entry.is_some_and(|entry| entry.unchecked_into::<FileSystemEntry>().is_directory());
            let offered = offered(&file, is_folder);
            given.push((file, offered));
        }
    }
    given
}

fn offered(file: &File, is_folder: bool) -> Offered {
    // Sizes are whole, and far below what a float has exactly.
    Offered { name: file.name(), size: (!is_folder).then_some(file.size() as u64) }
}
