//! What the next coordinator of a group needs of a member, as metadata keeps it.

/// One member of a generation. What `subscription` means is up to the kind of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedMember {
    /// A name that outlives restarts of the member.
    pub instance_id: Option<String>,
    /// Silence after which the member is out.
    pub session_timeout_ms: u32,
    /// Time the member has to rejoin or to give partitions up.
    pub rebalance_timeout_ms: u32,
    /// What the member wants, encoded by its kind of group.
    pub subscription: Vec<u8>,
    /// KIP-848 epoch; 0 in groups of other kinds.
    pub member_epoch: i32,
}
