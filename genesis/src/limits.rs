//! Every bound of the protocol and of a node, in one place, related by compile-time asserts.
//!
//! A bound says what happens at it: *wait*, *refuse*, or *drop with count*. Lengths in the formats
//! are `u64`; what a node declines is its policy ([`CONTENTS_INLINE_MAX`] and the like), and it says so.

// --- Messages -----------------------------------------------------------------------------------

/// Longest encoded header, in bytes: refuse.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Longest contents that travel inside a message, in bytes; longer ones travel by reference: refuse.
pub const CONTENTS_INLINE_MAX: usize = 64 * 1024;
/// Longest message with inline contents, in bytes: refuse.
pub const MESSAGE_BYTES_MAX: usize = HEADER_BYTES_MAX + CONTENTS_INLINE_MAX + 64;
/// Most entries of a message's metadata: refuse.
pub const METADATA_ENTRIES_MAX: usize = 64;
/// Longest key of a metadata entry, in bytes: refuse.
pub const METADATA_KEY_MAX: usize = 64;
/// Longest value of a metadata entry, in bytes: refuse.
pub const METADATA_VALUE_MAX: usize = 4 * 1024;
/// Most contacts that one message hands over: refuse.
pub const MESSAGE_CONTACTS_MAX: usize = 64;
/// How long a message lives if nobody says otherwise, in milliseconds: 24 hours.
pub const EXPIRY_DEFAULT_MS: u64 = 24 * 60 * 60 * 1_000;
/// How long a message may live, in milliseconds: 30 days; refuse.
pub const EXPIRY_MAX_MS: u64 = 30 * EXPIRY_DEFAULT_MS;

// --- Bodies and shapes --------------------------------------------------------------------------

/// How deep bodies nest: refuse.
pub const DEPTH_MAX: usize = 16;
/// Most parts of one body, one level: refuse.
pub const PARTS_MAX: usize = 4_096;
/// Most channels of one part (nest for more): refuse. A part so touches at most 2⁸ - 1 faces.
pub const PART_CHANNELS_MAX: usize = 8;
/// Most links of one part, those to the medium and both ways of one channel counted: refuse.
pub const PART_LINKS_MAX: usize = 32;
/// Most channels of one body, one level: refuse.
pub const BODY_CHANNELS_MAX: usize = 256;
/// Most named sparse dimensions of a shape: refuse.
pub const DIMENSIONS_MAX: usize = 64;

// --- Patterns -----------------------------------------------------------------------------------

/// Longest text of a pattern, in bytes: refuse.
pub const PATTERN_TEXT_MAX: usize = 4 * 1024;
/// How deep the parentheses of a pattern nest: refuse.
pub const PATTERN_DEPTH_MAX: usize = 32;
/// Most boxes of a pattern after `|` was multiplied out: refuse.
pub const PATTERN_BOXES_MAX: usize = 64;
/// Most pieces a containment may cut boxes into before it answers *Unknown*.
pub const COVER_PIECES_MAX: usize = 4_096;

// --- Virtual computers --------------------------------------------------------------------------

/// Messages a mailbox holds: refuse with `Busy`; a durable sender waits.
pub const MAILBOX_LEN_MAX: u32 = 1_024;
/// Bytes of contents a mailbox holds: as [`MAILBOX_LEN_MAX`].
pub const MAILBOX_BYTES_MAX: u32 = 256 * 1024;
/// Messages a durable VC may have waiting for room elsewhere; at it, it takes no turn: wait.
pub const OUTBOX_LEN_MAX: u32 = 64;
/// Effects of one turn: the turn fails.
pub const EFFECTS_MAX: usize = 256;
/// Fuel of one turn of sandboxed code, about a millisecond: the turn fails. Natives are not metered
/// within a turn.
pub const TURN_FUEL_MAX: u64 = 1_000_000;
/// Fuel of one turn that a VC can be granted at most, about a second: refuse.
pub const TURN_FUEL_GRANT_MAX: u64 = 1_000_000_000;
/// From this length on contents reach sandboxed code as (digest, length), in bytes, and are read in ranges
/// of at most this length.
pub const CONTENTS_REFERENCE_MIN: usize = 16 * 1024;
/// Longest answer of a channel of sandboxed code, in bytes: the turn fails.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Turns of sandboxed code between two saves: a new save.
pub const PAST_TURNS_MAX: u32 = 64;
/// Bytes of what was called between two saves: a new save.
pub const PAST_BYTES_MAX: usize = 16 * 1024;
/// Longest module that is taken in, in bytes: refuse.
pub const MODULE_BYTES_MAX: usize = 256 * 1024;
/// Longest module that comes with the program, in bytes.
pub const MODULE_TRUSTED_BYTES_MAX: usize = 1024 * 1024;
/// Longest scores that a test answers, in bytes: refuse.
pub const SCORES_BYTES_MAX: usize = 4 * 1024;
/// Contacts one VC keeps: refuse.
pub const CONTACTS_MAX: usize = 65_536;
/// Timers one VC has set: refuse, with a line in its log.
pub const TIMERS_MAX: u32 = 256;
/// Lines a VC's log keeps: drop oldest with count.
pub const LOG_LINES_MAX: usize = 256;
/// Longest line of a log, in bytes: cut with a mark.
pub const LOG_LINE_BYTES_MAX: usize = 4 * 1024;
/// Messages set aside after they failed a turn, shown by `show`: drop oldest; `faults` counts them all.
pub const SET_ASIDE_MAX: usize = 16;
/// Messages a journal keeps between snapshots, at most: a new snapshot.
pub const JOURNAL_LEN_MAX: u32 = 65_536;
/// Messages the journal of a durable VC keeps that was spawned over a node's API and says nothing else.
pub const JOURNAL_LEN_DEFAULT: u32 = 1_024;
/// Messages one tree of causes shows: the rest of a turn's are counted.
pub const TRACE_NODES_MAX: usize = 4_096;
/// Longest name of a VC, in bytes: refuse.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest saved state of a native VC, in bytes: the turn fails.
pub const STATE_BYTES_MAX: usize = 16 * 1024 * 1024;

// --- Workers ------------------------------------------------------------------------------------

/// Messages a VC handles before the next has its turn.
pub const QUOTA: u32 = 64;
/// Fuel a VC's sandboxed code burns before the next VC has its turn: half a millisecond.
pub const ACTIVATION_FUEL: u64 = 500_000;
/// Messages a worker handles before it looks outside.
pub const SLICE: u32 = 2_048;
/// Messages for another worker that are passed on together.
pub const BATCH: usize = 256;
/// Messages waiting at a worker's door from outside: wait for credit.
pub const INGRESS_MAX: usize = 16 * 1024;
/// Bytes of messages a worker holds in all mailboxes: refuse with `Busy`.
pub const ARENA_BYTES_MAX: usize = 1 << 30;

// --- Store --------------------------------------------------------------------------------------

/// How long a commit waits for company, in milliseconds.
pub const COMMIT_WAIT_MS: u64 = 2;
/// Records of one commit.
pub const COMMIT_RECORDS_MAX: usize = 4_096;
/// Contents from this size on are files of their own, in bytes.
pub const CONTENTS_FILE_MIN: usize = 64 * 1024;
/// Largest contents a node accepts unless told otherwise, in bytes: refuse.
pub const CONTENTS_POLICY_MAX: u64 = 1 << 40;
/// Most bytes of contents that a turn reads at once: the turn fails.
pub const CONTENTS_READ_MAX: usize = 16 * 1024;
/// How long contents stay that nothing needs any more, or nothing has needed yet, in milliseconds: an
/// hour; then a sweep removes them.
pub const CONTENTS_IDLE_MS: u64 = 60 * 60 * 1_000;
/// Commits a lingering message may hold back truncation before it is written again.
pub const LOG_LAG_MAX: u64 = 1_024;

// --- Node ---------------------------------------------------------------------------------------

/// Events kept for those who resume: drop oldest with count.
pub const EVENTS_MAX: usize = 16 * 1024;
/// Rows one page of a list holds.
pub const PAGE_MAX: usize = 1_000;
/// How long an ask waits unless told otherwise, in milliseconds.
pub const ASK_MS_DEFAULT: u64 = 5_000;

const _: () = {
    assert!(EXPIRY_DEFAULT_MS <= EXPIRY_MAX_MS);
    assert!(
        CONTENTS_INLINE_MAX <= MAILBOX_BYTES_MAX as usize,
        "one inline message fits a mailbox"
    );
    assert!(
        QUOTA <= SLICE && BATCH <= INGRESS_MAX,
        "a slice is at least one activation"
    );
    assert!(
        CONTENTS_FILE_MIN >= CONTENTS_INLINE_MAX,
        "what fits a message needs no file"
    );
    assert!(
        PART_CHANNELS_MAX <= 8,
        "faces of a part are counted in a byte"
    );
    assert!(
        PART_LINKS_MAX >= 2 * PART_CHANNELS_MAX,
        "a channel may be both needed and given"
    );
    assert!(
        BODY_CHANNELS_MAX <= 256,
        "a channel of a body is numbered in a byte"
    );
    assert!(METADATA_ENTRIES_MAX * (METADATA_KEY_MAX + 16) <= HEADER_BYTES_MAX);
    assert!(PATTERN_BOXES_MAX < COVER_PIECES_MAX);
    assert!(OUTBOX_LEN_MAX <= MAILBOX_LEN_MAX);
    assert!(TURN_FUEL_MAX <= TURN_FUEL_GRANT_MAX);
    assert!(
        CONTENTS_REFERENCE_MIN <= CONTENTS_INLINE_MAX && ANSWER_BYTES_MAX <= CONTENTS_INLINE_MAX,
        "an answer fits a message"
    );
    assert!(MODULE_BYTES_MAX <= MODULE_TRUSTED_BYTES_MAX);
};
