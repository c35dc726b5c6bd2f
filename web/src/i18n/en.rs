//! The texts of the page in English.

mod annex;
mod identity;
mod media;

use chanterelle_core::base::{BoardName, BoardNameError};
use chanterelle_core::event::DraftError;
use chanterelle_core::node::StorageError;

use crate::link::Refusal;
use crate::state::NotPublished;

pub(crate) use annex::*;
pub(crate) use identity::*;
pub(crate) use media::*;

pub(crate) const NAME: &str = "Chanterelle";
pub(crate) const SKIP: &str = "Skip to content";
pub(crate) const NAVIGATION: &str = "Chanterelle";
pub(crate) const HOME: &str = "Chanterelle, all boards";
pub(crate) const NAV_ME: &str = "You";
pub(crate) const NAV_SETTINGS: &str = "Settings";
pub(crate) const FOOTER: &str = "This tab is a peer: it checks, keeps and passes on what it shows.";

pub(crate) const NETWORK: &str = "Network";
pub(crate) const CONNECTING: &str = "Connecting…";
pub(crate) const OFFLINE: &str = "Not connected";

pub(crate) const BOARDS: &str = "Boards";
pub(crate) const BOARD_NAME: &str = "Board name";
pub(crate) const OPEN_BOARD: &str = "Open board";
pub(crate) const NEWCOMER: &str = "Every name is a board: type one, and it is there. Nobody owns it, and there is no \
    account to make. What you read is kept in this browser and passed on to others.";
pub(crate) const READING_BOARDS: &str = "Reading the boards kept here…";
pub(crate) const NO_BOARDS: &str =
    "No boards here yet. Open one by its name; it does not have to exist already.";
pub(crate) const SUBSCRIBE: &str = "Subscribe";
pub(crate) const UNSUBSCRIBE: &str = "Unsubscribe";
pub(crate) const NO_POSTS: &str = "nothing here yet";
pub(crate) const WRONG_BOARD: &str = "This address names no board.";
pub(crate) const TO_BOARDS: &str = "See all boards";

pub(crate) const NEW_THREAD: &str = "New thread";
pub(crate) const SUBJECT: &str = "Subject";
pub(crate) const OPTIONAL: &str = "optional";
pub(crate) const COMMENT: &str = "Comment";
pub(crate) const POST: &str = "Post";
pub(crate) const CANCEL: &str = "Cancel";
pub(crate) const SIGNING: &str = "Signing…";
pub(crate) const PSEUDONYM: &str =
    "Signed with a key made for this thread alone; nobody can link it to your other threads.";
pub(crate) const MARKUP: &str = "> greentext   ||spoiler||   `code`   ``` for a block of code";
pub(crate) const THREADS: &str = "Threads";
pub(crate) const READING_THREADS: &str = "Reading the threads kept here…";
pub(crate) const NO_THREADS: &str = "No threads here yet. Yours can be the first.";
pub(crate) const SHOW_MORE: &str = "Show more";
pub(crate) const BUMP_LIMIT: &str = "bump limit";
pub(crate) const BUMP_LIMIT_LONG: &str = "Bump limit reached: replies no longer move this thread up.";
pub(crate) const DELETED_OPENING: &str = "The opening post was deleted by its author.";

pub(crate) const REPLY: &str = "Reply";
pub(crate) const SAGE: &str = "Sage";
pub(crate) const SAGE_HINT: &str = "do not move the thread up";
pub(crate) const SAGE_MARK: &str = "sage";
pub(crate) const QUOTE: &str = "Quote";
pub(crate) const OP: &str = "(OP)";
pub(crate) const YOU: &str = "(You)";
pub(crate) const NUMBER: &str = "No.";
pub(crate) const REPLIES: &str = "Replies:";
pub(crate) const ELSEWHERE: &str = "(another thread)";
pub(crate) const MORE: &str = "More";
pub(crate) const COPY_LINK: &str = "Copy link";
pub(crate) const COPIED: &str = "Link copied";
pub(crate) const NOT_COPIED: &str =
    "The browser did not allow copying; copy the address of the post's number instead.";
pub(crate) const EDIT: &str = "Edit";
pub(crate) const EDIT_POST: &str = "Edit post";
pub(crate) const EDITED_COMMENT: &str = "Edited comment";
pub(crate) const EDITED_SUBJECT: &str = "Edited subject";
pub(crate) const SAVE: &str = "Save";
pub(crate) const DELETE: &str = "Delete";
pub(crate) const KEEP: &str = "Keep it";
pub(crate) const DELETE_ASK: &str =
    "Delete this post? Peers that honour it hide the post; copies may remain.";
pub(crate) const DELETED: &str = "Deleted by its author. Hidden on peers that honour it.";
pub(crate) const EDITED: &str = "edited";
pub(crate) const EDITED_LATER: &str =
    "Edits travel like posts: whoever has not received it still sees the old text.";
pub(crate) const SPOILER: &str = "Spoiler. Press to show.";
pub(crate) const HIDDEN: &str = "spoiler";
pub(crate) const UNKNOWN_QUOTE: &str = "No post held here has this number.";
pub(crate) const PREVIEW_ASKED: &str = "Looking for this post…";
pub(crate) const PREVIEW_MISSING: &str = "This post is not here yet.";
pub(crate) const READING_THREAD: &str = "Reading the thread kept here…";
pub(crate) const LOOKING: &str = "Looking for this thread…";
pub(crate) const OPENING_MISSING: &str = "The opening post is not here yet. These replies are.";
pub(crate) const WRONG_THREAD: &str =
    "This address names no thread: a thread has 64 digits from 0 to 9 and a to f.";
pub(crate) const NOT_ASKED: &str =
    "Nobody is connected who could be asked. It is looked for as soon as somebody is.";

pub(crate) const STATE_PENDING: &str = "saving…";
pub(crate) const STATE_SAVED: &str = "saved here, not sent yet";
pub(crate) const STATE_SENT: &str = "sent";
pub(crate) const STATE_PENDING_LONG: &str = "Not stored yet: do not close this tab.";
pub(crate) const STATE_SAVED_LONG: &str =
    "Stored in this browser. No other peer has said yet that it stored it.";
pub(crate) const STATE_SENT_LONG: &str = "Another peer has said that it stored this.";

pub(crate) const ME: &str = "You";
pub(crate) const KEYS: &str = "Your keys";
pub(crate) const KEYS_ABOUT: &str = "This browser made them when you first came here; they never leave it. Every \
    thread you write in gets a name of its own, which nobody can link to your other threads.";
pub(crate) const FINGERPRINT: &str =
    "The key of your profile. It shows only on what you write under your name:";

/// Hexadecimal digits in groups a person can compare.
pub(crate) fn grouped(digits: &str) -> String {
    let groups = digits.as_bytes().chunks(4).map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(" ")
}

pub(crate) const KEYS_LOSS: &str = "They are in this browser and nowhere else. If you clear its data for this site, \
    your posts stay with others, but you can no longer edit or delete them.";
pub(crate) const KEPT: &str = "Kept here";
pub(crate) const KEPT_OPENING: &str = "Storage is being opened…";
pub(crate) const KEPT_DURABLE: &str = "The browser has promised not to clear this by itself.";
pub(crate) const KEPT_EVICTABLE: &str = "The browser may clear this when the device runs out of space.";
pub(crate) const KEPT_MEMORY: &str = "All of this is in memory and gone when this tab is closed.";

pub(crate) const DIRECT: &str = "Direct connections";
pub(crate) const DIRECT_ABOUT: &str =
    "Tabs that read the same boards can bring each other posts, sooner and without a relay. ";
pub(crate) const DIRECT_SEES: &str =
    "They see your network address (IP) then, as a relay does in any case. You can change this in Settings.";
pub(crate) const DIRECT_YES: &str = "Connect directly";
pub(crate) const DIRECT_NO: &str = "Only through relays";
pub(crate) const PRIVATE_MODE: &str = "Private mode";
pub(crate) const DIRECT_ON: &str =
    "Off: this tab connects to others that read the same boards, and they see your network address.";
pub(crate) const DIRECT_OFF: &str =
    "On: this tab connects to relays only. Nobody but relays sees your network address.";
pub(crate) const DIRECT_UNASKED: &str = "You have not decided yet, and until then this tab connects to relays only. In \
    private mode it stays so; without, others that read the same boards see your network address.";
pub(crate) const DIRECT_CANNOT: &str =
    "This browser makes no direct connections. Everything goes through relays.";
pub(crate) const ICE_SERVERS: &str = "STUN and TURN servers";
pub(crate) const ICE_ABOUT: &str = "For direct connections through difficult networks, beside those that your relays \
    offer: one a line, such as stun:stun.example:3478 or turn:turn.example|user|password.";
pub(crate) const ICE_SAVED: &str = "Saved. Used from the next connection on.";

pub(crate) fn wrong_server(line: &str) -> String {
    format!("“{line}” is not a server. Write stun:host:port, or turn:host:port|user|password.")
}

pub(crate) fn too_many_servers(most: usize) -> String {
    format!("No more than {most} are used, so that those of your relays have a place, too. Delete some.")
}

pub(crate) const PEERS: &str = "Peers";
pub(crate) const PEERS_ABOUT: &str = "Whom this tab exchanges posts with right now.";
pub(crate) const NO_PEERS: &str = "Nobody is connected. What you write is kept here and sent later.";
pub(crate) const RELAY: &str = "relay";
pub(crate) const TAB: &str = "tab";
pub(crate) const DIRECTLY: &str = "direct";
pub(crate) const PEER_ADDRESS: &str = "Peer address";
pub(crate) const PEER_ADDRESS_ABOUT: &str = "The address of a relay, such as https://relay.example, or one that somebody \
    reads on this page of theirs.";
pub(crate) const OWN_ADDRESS: &str = "Address of this tab";
pub(crate) const OWN_ADDRESS_ABOUT: &str =
    "Good while this tab is open and connected to that relay. Whoever has it can connect to you directly.";
pub(crate) const DIALLING: &str = "Connecting…";
pub(crate) const DIALLED: &str = "Connected.";
pub(crate) const NOT_DIALLED: &str = "No new connection came about. Nobody may be there now, the address may be old, or it is \
    another name of a relay in the list above.";
pub(crate) const NOT_DIALLED_PRIVATE: &str =
    "This address is that of a tab, and direct connections are off. Turn private mode off in Settings first.";
pub(crate) const NOT_DIALLED_UNASKED: &str =
    "This address is that of a tab. Answer the question about direct connections above first.";
pub(crate) const NOT_DIALLED_HERE: &str =
    "Another tab of this browser has the connections. Connect there, or close it first.";
pub(crate) const ADDRESS_FORM: &str = "This is no address of a relay or a tab. Copy all of it.";
pub(crate) const ADDRESS_PRIVATE: &str =
    "This address leads into a private network, where this page connects to nobody.";
pub(crate) const ADDRESS_PLAIN: &str = "This relay has no encryption. Use one with https.";

pub(crate) const BY_HAND: &str = "Without any relay";
pub(crate) const BY_HAND_ABOUT: &str = "Two tabs can meet though no relay is there, in one network or anywhere: one makes an \
    offer, the other answers it, and both codes go by whatever way you have, as text or as a picture.";
pub(crate) const MAKE_OFFER: &str = "Make an offer";
pub(crate) const HAND_PRIVATE: &str = "Direct connections are not switched on in this browser. Answer the question above, or \
    turn private mode off in Settings, and try again.";
pub(crate) const OFFERING: &str = "Looking for ways to be reached…";
pub(crate) const OFFER_READY: &str = "The offer is below.";
pub(crate) const ANSWER_READY: &str = "The answer is below.";
pub(crate) const OFFER_CODE: &str = "Offer code";
pub(crate) const OFFER_ABOUT: &str = "Pass this on, and paste what comes back into the field above. It holds network addresses of yours, \
    is good for one person and one time, and for as long as this tab stays open.";
pub(crate) const ANSWER_CODE: &str = "Answer code";
pub(crate) const ANSWER_ABOUT: &str =
    "Send this back to whoever made the offer. When they paste it, you are connected.";
pub(crate) const THEIR_CODE: &str = "Code of the other side";
pub(crate) const USE_CODE: &str = "Use code";
pub(crate) const CONNECT_QR: &str = "Connection code QR";
pub(crate) const ANSWERED: &str = "The code fits. You are connected as soon as a way between you is found.";

/// What the picture of the neighbourhood shows.
pub(crate) fn neighbourhood(direct: u32, relays: u32) -> String {
    format!("This tab and those it is connected to: {}", network(direct, relays))
}

/// Bytes that went out and came in.
pub(crate) fn traffic((sent, received): (u64, u64)) -> String {
    format!("↑ {} ↓ {}", bytes(sent), bytes(received))
}

fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{} kB", count / 1_000),
        1_000_000..1_000_000_000 => format!("{}.{} MB", count / 1_000_000, count / 100_000 % 10),
        _ => format!("{}.{} GB", count / 1_000_000_000, count / 100_000_000 % 10),
    }
}

/// There and back.
pub(crate) fn round_trip(milliseconds: u32) -> String {
    format!("{milliseconds} ms")
}
pub(crate) const GREETING: &str = "saying hello";
pub(crate) const SYNCING: &str = "looking for what is missing";
pub(crate) const SWALLOWS: &str = "has not confirmed what was sent there; it is offered to others, too";
pub(crate) const IN_SYNC: &str = "up to date";

pub(crate) const SETTINGS: &str = "Settings";
pub(crate) const SETTINGS_ABOUT: &str = "Remembered in this browser alone.";
pub(crate) const NOT_REMEMBERED: &str =
    "This choice holds until the tab is closed: the browser lets this page remember nothing.";
pub(crate) const THEME: &str = "Theme";
pub(crate) const THEMES: [&str; 3] = ["As the system", "Light", "Dark"];
pub(crate) const TEXT: &str = "Text";
pub(crate) const TEXTS: [&str; 3] = ["Small", "Normal", "Large"];

pub(crate) const FRIEND_CODE: &str = "Friend code";
pub(crate) const CODE_QR: &str = "Friend code QR";
pub(crate) const PASTE_ABOUT: &str = "Somebody who wants to be found by you can send you a friend code. Paste it here, \
    or the whole link.";
pub(crate) const PASTE_AGAIN: &str = "Nothing was contacted. If you have another code, paste it here.";
pub(crate) const PASTE_EMPTY: &str = "Paste a friend code first.";
pub(crate) const OPEN_CODE: &str = "Open friend code";
pub(crate) const FRIEND_FINGERPRINT: &str =
    "Fingerprint of their identity, to compare if you want to be sure: ";
pub(crate) const CODE_HOSTS: &str = "To find them, this tab will contact:";
pub(crate) const CODE_NO_HOSTS: &str = "The code names no relay. You will find each other at the relays you are \
    connected to.";
pub(crate) const CODE_OPENS_NONE: &str = "The code opens no particular board.";
pub(crate) const OWN_CODE: &str = "This is your own friend code. Send it to somebody else.";
pub(crate) const ALSO_FOLLOW: &str = "Follow them, too";
pub(crate) const FOLLOW_PUBLIC: &str = "(everybody can see whom you follow)";
pub(crate) const CONNECT: &str = "Connect";
pub(crate) const CONNECT_ABOUT: &str = "Until you connect, nobody learns that you have opened this code.";

pub(crate) const INVITE: &str = "Invite a friend";
pub(crate) const INVITE_ABOUT: &str = "Send this link to somebody: it shows them who you are and how to reach you, and \
    opens a board of yours.";
pub(crate) const CODE_NAME: &str = "Your name, as friends will see it";
pub(crate) const CODE_NAME_WRONG: &str = "A name is one line of at most 40 characters, without < and > and without \
    invisible characters.";
pub(crate) const CODE_BOARD: &str = "Board";
pub(crate) const CODE_NO_BOARD: &str = "none in particular";
pub(crate) const CODE_ABOUT: &str = "Whoever has the link can see that you are online and at which relays. It links your \
    name to no post: those stay under their own keys.";
pub(crate) const MAKING_CODE: &str = "Making the code…";
pub(crate) const COPY_CODE: &str = "Copy friend code";
pub(crate) const COPY: &str = "Copy code";
pub(crate) const CODE_COPIED: &str = "Copied.";
pub(crate) const CODE_NOT_COPIED: &str = "The browser did not allow it; copy the marked text yourself.";
pub(crate) const RENEW: &str = "Make a new code";
pub(crate) const RENEW_SURE: &str = "Yes, make a new code";
pub(crate) const RENEW_ABOUT: &str = "Those who have your code of now will not find you any more. Sure?";
pub(crate) const RENEWED: &str = "Codes from before no longer lead to you.";
pub(crate) const FRIENDS: &str = "Friends";
pub(crate) const NO_FRIENDS: &str =
    "Nobody yet. Open a code that somebody sent you, and they are listed here.";
pub(crate) const HAVE_CODE: &str = "I was given a friend code";
pub(crate) const SEEN: &str = "last heard of";
pub(crate) const NOT_SEEN: &str = "not heard of yet";
pub(crate) const FOLLOW: &str = "Follow";
pub(crate) const UNFOLLOW: &str = "Unfollow";
pub(crate) const FORGET: &str = "Forget";

/// What somebody is called whose code has no name.
pub(crate) fn friend_without_name(fingerprint: &str) -> String {
    format!("A friend ({fingerprint})")
}

pub(crate) fn of_friend(action: &str, name: &str) -> String {
    format!("{action} {name}")
}

pub(crate) fn called(name: &str) -> String {
    format!("Friends will see “{name}”.")
}

pub(crate) fn code_opens(board: &BoardName) -> String {
    format!("The code opens the board {}.", board_title(board))
}

/// Why an address in a code is not dialled.
pub(crate) fn refused_address(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Private => {
            "This friend code leads into a private network, which no page may contact on somebody else's word. Do not \
             use it, and ask your friend for a new one."
        }
        Refusal::Plain => {
            "This friend code names a relay without encryption. Ask your friend for one that uses a relay with https."
        }
        Refusal::Form => {
            "This friend code names an address that is no relay's. Do not use it, and ask your friend for a new one."
        }
    }
}

/// An error's words as a sentence.
pub(crate) fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

pub(crate) const NOT_FOUND: &str = "Nothing is here";
pub(crate) const NOT_FOUND_LONG: &str =
    "This address leads nowhere on this board. A link may have been cut short.";

pub(crate) const DISMISS: &str = "Dismiss";
pub(crate) const RELOAD: &str = "Reload";
pub(crate) const NEWER: &str = "A new version is ready.";
pub(crate) const CLOCK: &str = "The clock of this device looks wrong: it is far from that of others. Set it right; posts \
    that wait for their time appear by themselves, here and elsewhere.";
pub(crate) const FRIENDS_FULL: &str = "This friend was not added: you have as many as there is room for. Forget one, then \
    open the code again.";
pub(crate) const STOPPED: &str = "Nothing was posted yet: the part of this page that posts does not run; see above. \
    What you wrote stays in its box; copy it before you reload the page.";

/// Such as "3 peers, 1 relay".
pub(crate) fn network(direct: u32, relays: u32) -> String {
    format!("{}, {}", count(direct, "peer", "peers"), count(relays, "relay", "relays"))
}

pub(crate) fn threads(n: u32) -> String {
    count(n, "thread", "threads")
}

pub(crate) fn posts(n: u32) -> String {
    count(n, "post", "posts")
}

pub(crate) fn replies(n: u32) -> String {
    count(n, "reply", "replies")
}

pub(crate) fn board_title(board: &BoardName) -> String {
    format!("/{board}/")
}

/// The title of a thread without a subject.
pub(crate) fn thread_title(short: &str) -> String {
    format!("Thread {short}")
}

pub(crate) fn post_label(short: &str) -> String {
    format!("Post {short}")
}

pub(crate) fn author_label(short: &str) -> String {
    format!("ID {short}")
}

pub(crate) fn subscription(action: &str, board: &BoardName) -> String {
    format!("{action}: /{board}/")
}

/// What this browser holds.
pub(crate) fn held(posts: u32, subscribed: u32) -> String {
    format!("{} and {}.", self::posts(posts), count(subscribed, "subscribed board", "subscribed boards"))
}

/// `seconds` is the age of something.
pub(crate) fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        86_400..2_592_000 => format!("{} d ago", seconds / 86_400),
        2_592_000..31_536_000 => format!("{} mo ago", seconds / 2_592_000),
        _ => format!("{} y ago", seconds / 31_536_000),
    }
}

/// Asking these many peers for more.
pub(crate) fn asking(peers: u32) -> String {
    format!("Asking {} for what is missing here…", count(peers, "peer", "peers"))
}

/// `peers` are named.
pub(crate) fn asked(peers: &str) -> String {
    format!("Asked: {peers}")
}

pub(crate) fn characters(count: usize, limit: usize) -> String {
    format!("{count} of {limit} characters")
}

/// What is wrong with a board's name and what to do. `suggestion` is given when a small change would do.
pub(crate) fn wrong_board_name(error: BoardNameError, suggestion: Option<&BoardName>) -> String {
    let wrong = match error {
        BoardNameError::Empty => "Type the name of a board first, such as mushrooms.".to_owned(),
        BoardNameError::TooLong => {
            format!("This name is too long. A board name has at most {} characters.", BoardName::MAX)
        }
        BoardNameError::Character => {
            "A board name has only the letters a to z, digits and hyphens, and does not \
            begin with a hyphen."
                .to_owned()
        }
    };
    match suggestion {
        Some(_) => format!("{wrong} Did you mean "),
        None => wrong,
    }
}

pub(crate) fn not_published(error: &NotPublished) -> String {
    match error {
        NotPublished::Stopped => STOPPED.to_owned(),
        NotPublished::Refused(error) => refused(error),
    }
}

fn refused(error: &DraftError) -> String {
    match error {
        DraftError::Empty => "Nothing was posted: write a comment or attach a file first.".to_owned(),
        DraftError::CommentTooLong { count, limit } => {
            format!("Nothing was posted: the comment has {count} characters. Shorten it to {limit}.")
        }
        DraftError::Subject(limit) => {
            format!("Nothing was posted: a subject is one line of at most {limit} characters. Shorten it.")
        }
        DraftError::TooManyQuotes(limit) => {
            format!("Nothing was posted: a post can quote at most {limit} others. Take some quotes out.")
        }
        DraftError::UnknownTarget => {
            "Nothing was posted: the post this answers has not arrived here yet. Try again when it has."
                .to_owned()
        }
        DraftError::NotYours => "Nothing was changed: only your own posts can be changed.".to_owned(),
        DraftError::NoIdentity => {
            "Nothing was posted: this browser holds no key to sign with. Reload the page to get one."
                .to_owned()
        }
        DraftError::TooLarge => {
            "Nothing was posted: the post is too large to be sent. Shorten it.".to_owned()
        }
        other => format!("Nothing was posted: {other}."),
    }
}

pub(crate) fn storing(error: &StorageError) -> String {
    match error {
        StorageError::Full => {
            "There is no room left to keep posts. Free some space on this device; until then what \
            you write is in memory only, and is tried again by itself."
                .to_owned()
        }
        other => format!(
            "Posts cannot be kept at the moment: {other}. What you write stays in memory and is tried again by \
             itself; do not close this tab."
        ),
    }
}

pub(crate) fn memory_only(reason: &str) -> String {
    format!(
        "Nothing is kept in this browser: {reason}. Reading and posting work, but what is here now is gone when this tab \
         is closed. In private browsing this is so by design; else allow this page to store data and reload it."
    )
}

pub(crate) fn network_trouble(trouble: &str) -> String {
    format!("Not connected: {trouble}. Reading goes on; what you write is kept here and sent later.")
}

fn count(n: u32, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
