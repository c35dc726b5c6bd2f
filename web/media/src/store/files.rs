//! Files of a folder that belongs to this origin (File System Standard, section 4), or what stands for them in memory where
//! there is none, as in private windows of some browsers.
//!
//! A file that is written is open in one place only; whoever reads a whole one needs no such place.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, FileReaderSync, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemSyncAccessHandle, WorkerGlobalScope,
};

use super::trouble::{failed, unavailable};
use crate::messages::StoreError;

/// A folder.
pub(super) enum Folder {
    /// On disk.
    Disk(FileSystemDirectoryHandle),
    /// In memory, gone with the program.
    Memory(RefCell<BTreeMap<String, Content>>),
}

type Content = Rc<RefCell<Vec<u8>>>;

/// A file that is open for writing.
pub(super) enum File {
    /// On disk.
    Disk(FileSystemSyncAccessHandle),
    /// In memory.
    Memory(Content),
}

impl Folder {
    /// One in memory.
    pub(super) fn in_memory() -> Self {
        Folder::Memory(RefCell::default())
    }

    /// The folder of this name on disk, made if there is none.
    ///
    /// # Errors
    /// When the browser has no such folders, or none in this window.
    pub(super) async fn open(name: &str) -> Result<Self, StoreError> {
        let worker: WorkerGlobalScope = js_sys::global().unchecked_into();
        let storage = js_sys::Reflect::get(&worker.navigator(), &"storage".into()).unwrap_or_default();
        if storage.is_undefined()
            || js_sys::Reflect::get(&storage, &"getDirectory".into()).is_ok_and(|it| it.is_undefined())
        {
            return Err(StoreError::Unavailable("this browser or window keeps no files".to_owned()));
        }
        let storage: web_sys::StorageManager = storage.unchecked_into();
        let root = JsFuture::from(storage.get_directory()).await.map_err(|error| unavailable(&error))?;
        let root: FileSystemDirectoryHandle = root.unchecked_into();
        let options = FileSystemGetDirectoryOptions::new();
        options.set_create(true);
        let folder = JsFuture::from(root.get_directory_handle_with_options(name, &options)).await;
        let folder: FileSystemDirectoryHandle = folder.map_err(|error| unavailable(&error))?.unchecked_into();
        // Some give folders in private windows, and no files in them that can be written in a worker.
        let folder = Folder::Disk(folder);
        let probe = format!("probe-{:016x}", (js_sys::Math::random() * u64::MAX as f64) as u64);
        let file = folder.write(&probe).await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        file.close();
        folder.remove(&probe).await?;
        Ok(folder)
    }

    /// Opens a file for writing, making it if there is none.
    ///
    /// # Errors
    /// When it is open elsewhere, or the browser refuses.
    pub(super) async fn write(&self, name: &str) -> Result<File, StoreError> {
        self.open_file(name, true).await
    }

    /// Opens a file that is there.
    ///
    /// # Errors
    /// When there is none, it is open elsewhere, or the browser refuses.
    pub(super) async fn reopen(&self, name: &str) -> Result<File, StoreError> {
        self.open_file(name, false).await
    }

    async fn open_file(&self, name: &str, create: bool) -> Result<File, StoreError> {
        match self {
            Folder::Disk(_) => {
                let handle = self.handle(name, create).await?;
                let file = JsFuture::from(handle.create_sync_access_handle()).await;
                Ok(File::Disk(file.map_err(|error| failed(&error))?.unchecked_into()))
            }
            Folder::Memory(files) => {
                let mut files = files.borrow_mut();
                if !create && !files.contains_key(name) {
                    return Err(StoreError::Missing);
                }
                Ok(File::Memory(files.entry(name.to_owned()).or_default().clone()))
            }
        }
    }

    /// A file that nobody writes any more, to be read.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn read(&self, name: &str) -> Result<Blob, StoreError> {
        match self {
            Folder::Disk(_) => {
                let handle = self.handle(name, false).await?;
                let file = JsFuture::from(handle.get_file()).await;
                Ok(file.map_err(|error| failed(&error))?.unchecked_into())
            }
            Folder::Memory(files) => {
                let content = files.borrow().get(name).cloned().ok_or(StoreError::Missing)?;
                let content = Uint8Array::from(content.borrow().as_slice());
                let blob = Blob::new_with_u8_array_sequence(&Array::of1(&content));
                blob.map_err(|error| failed(&error))
            }
        }
    }

    /// Removes a file, if there is one.
    ///
    /// # Errors
    /// When it is open, or the browser refuses.
    pub(super) async fn remove(&self, name: &str) -> Result<(), StoreError> {
        match self {
            Folder::Disk(folder) => match JsFuture::from(folder.remove_entry(name)).await {
                Ok(_) => Ok(()),
                Err(error) => match failed(&error) {
                    StoreError::Missing => Ok(()),
                    error => Err(error),
                },
            },
            Folder::Memory(files) => {
                files.borrow_mut().remove(name);
                Ok(())
            }
        }
    }

    /// The names of all files.
    ///
    /// # Errors
    /// When the browser refuses.
    pub(super) async fn names(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Folder::Disk(folder) => {
                let keys = folder.keys();
                let mut names = Vec::new();
                loop {
                    let next = keys.next().map_err(|error| failed(&error))?;
                    let next = JsFuture::from(next).await.map_err(|error| failed(&error))?;
                    let next: js_sys::IteratorNext = next.unchecked_into();
                    if next.done() {
                        return Ok(names);
                    }
                    names.extend(next.value().as_string());
                }
            }
            Folder::Memory(files) => Ok(files.borrow().keys().cloned().collect()),
        }
    }

    async fn handle(&self, name: &str, create: bool) -> Result<FileSystemFileHandle, StoreError> {
        let Folder::Disk(folder) = self else { unreachable!("files in memory have no handles") };
        let options = FileSystemGetFileOptions::new();
        options.set_create(create);
        let handle = JsFuture::from(folder.get_file_handle_with_options(name, &options)).await;
        Ok(handle.map_err(|error| failed(&error))?.unchecked_into())
    }
}

impl File {
    /// Writes bytes at a place, which may lie behind the end.
    ///
    /// # Errors
    /// When the disk is full, or the browser refuses.
    pub(super) fn write_at(&self, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        match self {
            File::Disk(handle) => {
                let options = FileSystemReadWriteOptions::new();
                options.set_at(at as f64);
                let written = handle.write_with_u8_array_and_options(bytes, &options);
                match written {
                    Ok(written) if written == bytes.len() as f64 => Ok(()),
                    // A disk that fills up takes a part.
                    Ok(_) => Err(StoreError::Full),
                    Err(error) => Err(failed(&error)),
                }
            }
            File::Memory(content) => {
                let mut content = content.borrow_mut();
                let at = usize::try_from(at).map_err(|_| StoreError::Full)?;
                let end = at.checked_add(bytes.len()).ok_or(StoreError::Full)?;
                let more = end.saturating_sub(content.len());
                content.try_reserve(more).map_err(|_| StoreError::Full)?;
                if more > 0 {
                    content.resize(end, 0);
                }
                content[at..end].copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Fills `into` with the bytes at a place.
    ///
    /// # Errors
    /// When there are not so many.
    pub(super) fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), StoreError> {
        match self {
            File::Disk(handle) => {
                let options = FileSystemReadWriteOptions::new();
                options.set_at(at as f64);
                let wanted = into.len() as f64;
                match handle.read_with_u8_array_and_options(into, &options) {
                    Ok(read) if read == wanted => Ok(()),
                    Ok(_) => Err(StoreError::Missing),
                    Err(error) => Err(failed(&error)),
                }
            }
            File::Memory(content) => {
                let content = content.borrow();
                let part =
                    usize::try_from(at).ok().and_then(|at| content.get(at..at.checked_add(into.len())?));
                into.copy_from_slice(part.ok_or(StoreError::Missing)?);
                Ok(())
            }
        }
    }

    /// Returns when all that was written is on disk.
    ///
    /// # Errors
    /// When the disk is full, or the browser refuses.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        match self {
            File::Disk(handle) => handle.flush().map_err(|error| failed(&error)),
            File::Memory(_) => Ok(()),
        }
    }

    /// Lets others open it.
    pub(super) fn close(self) {
        // By being dropped.
        drop(self);
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if let File::Disk(handle) = self {
            handle.close();
        }
    }
}

/// Fills `into` with the bytes of a blob at a place, at once: only workers may.
///
/// # Errors
/// When the blob is not there any more, or ends before.
pub(crate) fn read_blob(blob: &Blob, at: u64, into: &mut [u8]) -> Result<(), JsValue> {
    thread_local! {
        static READER: FileReaderSync = FileReaderSync::new().expect("workers have it");
    }
    let part = blob.slice_with_f64_and_f64(at as f64, at as f64 + into.len() as f64)?;
    let buffer = READER.with(|reader| reader.read_as_array_buffer(&part))?;
    let bytes = Uint8Array::new(&buffer);
    if bytes.length() as usize != into.len() {
        return Err("the file has become shorter".into());
    }
    bytes.copy_to(into);
    Ok(())
}
