//! Where records come from: a reader of all partitions, or a member of a group.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};

use floe_client::{Consumer, Message, Offset, PartitionIndex, Start};

use crate::connection::Connection;
use crate::failure::CommandError;
use crate::group::find_offsets;
use crate::offset::Place;

/// An open consumer and what was true when it began.
pub(super) struct Source {
    pub(super) consumer: Consumer,
    pub(super) is_member: bool,
    /// End of every partition at the start.
    pub(super) ends: BTreeMap<PartitionIndex, Offset>,
    /// Where a reader begins; empty for a member, which begins where its group is.
    pub(super) begins: BTreeMap<PartitionIndex, Offset>,
    /// Records below are not asked for: a partition that ends before the wanted offset is read
    /// from its end.
    first_wanted: Offset,
    group: Option<GroupView>,
}

/// Asks what the other members of a group have committed.
pub(super) struct GroupView {
    admin: floe_client::Admin,
    name: String,
    topic_id: floe_client::TopicId,
}

impl Source {
    /// Finds the ends, then starts reading.
    pub(super) async fn open(
        connection: &Connection,
        topic: &str,
        group: Option<&str>,
        place: Place,
    ) -> Result<Self, CommandError> {
        match Self::try_open(connection, topic, group, place).await {
            Ok(source) => Ok(source),
            Err(error) => Err(connection.explain_topic(&error, topic).await),
        }
    }

    async fn try_open(
        connection: &Connection,
        topic: &str,
        group: Option<&str>,
        place: Place,
    ) -> Result<Self, floe_client::Error> {
        let ends = find_offsets(connection, topic, Place::End).await?;
        let first_wanted = match place {
            Place::Offset(offset) => Offset(offset),
            _ => Offset::ZERO,
        };
        if let Some(group) = group {
            let view = GroupView {
                admin: connection.admin(),
                name: group.to_owned(),
                topic_id: connection.admin().describe_topic(topic).await?.topic_id,
            };
            let builder = connection
                .client
                .consumer(group)
                .topics([topic])
                .manual_commit();
            return Ok(Self {
                consumer: builder.start(start_of(place)).build().await?,
                is_member: true,
                ends,
                begins: BTreeMap::new(),
                first_wanted: Offset::ZERO,
                group: Some(view),
            });
        }
        let starts = find_offsets(connection, topic, Place::Start).await?;
        let mut begins = find_offsets(connection, topic, place).await?;
        let mut builder = connection.client.reader();
        for (index, begin) in &mut begins {
            let start = starts.get(index).copied().unwrap_or(Offset::ZERO);
            let end = ends.get(index).copied().unwrap_or(*begin).max(start);
            *begin = (*begin).clamp(start, end);
            builder = builder.assign(topic, index.0, Start::Offset(*begin));
        }
        Ok(Self {
            consumer: builder.build().await?,
            is_member: false,
            ends,
            begins,
            first_wanted,
            group: None,
        })
    }

    /// Whether the record lies before what was asked for.
    pub(super) fn skips(&self, message: &Message) -> bool {
        message.offset < self.first_wanted
    }

    /// Whether a member owns nothing, so that there is nothing to commit.
    pub(super) fn is_untouched(&self) -> bool {
        self.consumer.assignment().is_empty()
    }

    /// What the group has committed, by partition; `None` when nobody can say now.
    pub(super) async fn committed(&self) -> Option<BTreeMap<PartitionIndex, Offset>> {
        let view = self.group.as_ref()?;
        let stored = view.admin.group_offsets(view.name.as_str()).await.ok()?;
        let of_topic = stored
            .into_iter()
            .filter(|stored| stored.key.topic_id == view.topic_id);
        Some(
            of_topic
                .map(|stored| (stored.key.partition, stored.offset))
                .collect(),
        )
    }

    /// Tells people why nothing happens.
    pub(super) fn say_what_is_awaited(&self, topic: &str) {
        if !io::stderr().is_terminal() {
            return;
        }
        let partitions = self.ends.len();
        match self.is_member && self.consumer.assignment().is_empty() {
            true => eprintln!("waiting for partitions: other members of the group have them all"),
            false => eprintln!(
                "waiting for records of '{topic}' ({partitions} partitions); ctrl-c stops"
            ),
        }
    }
}

fn start_of(place: Place) -> Start {
    match place {
        Place::Start => Start::Start,
        Place::End => Start::End,
        Place::Offset(offset) => Start::Offset(Offset(offset)),
        Place::Time(time_ms) => Start::Timestamp(time_ms),
        Place::Ago(_) => unreachable!("turned into a time by the caller"),
    }
}
