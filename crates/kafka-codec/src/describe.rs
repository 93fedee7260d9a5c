//! The language in which messages are described.
//!
//! ```text
//! messages! {
//!     /// What it asks for.
//!     struct ThingRequest {
//!         group_id: String [..=3],                       // in versions 0 to 3
//!         topics: Option<Vec<String>> [1..; null 2..],   // from 1 on, nullable from 2 on
//!         timeout_ms: i32 = 60_000,                      // in all versions, with a default
//!     } tagged {
//!         0 => cluster_id: Option<String> [5..],         // tagged field 0
//!     }
//! }
//! ```
//!
//! Fields stand in wire order and have the names of Kafka's published schema. A field that a
//! version lacks reads as its default and is not written. A null that a version lacks is written
//! as the empty value and refused when read. A tagged field is written if it is not its default.

use std::ops::RangeBounds;

/// Whether `version` is one of `versions`.
pub(crate) fn within(versions: impl RangeBounds<i16>, version: i16) -> bool {
    versions.contains(&version)
}

macro_rules! messages {
    ($(
        $(#[$doc:meta])*
        struct $name:ident {
            $($field:ident: $type:ty $([$($versions:tt)*])? $(= $default:expr)?,)*
        } $(tagged {
            $($tag:literal => $tagged:ident: $tagged_type:ty $([$($tag_versions:tt)*])?
                $(= $tag_default:expr)?,)*
        })?
    )*) => {$(
        $(#[$doc])*
        #[doc = "\n\nEach field states the versions that carry it."]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $(
                #[doc = $crate::describe::carried!($($($versions)*)?)]
                pub $field: $type,
            )*
            $($(
                #[doc = concat!(
                    "Tagged field ", $tag, ". ", $crate::describe::carried!($($($tag_versions)*)?)
                )]
                pub $tagged: $tagged_type,
            )*)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $crate::describe::default_of!($($default)?),)*
                    $($($tagged: $crate::describe::default_of!($($tag_default)?),)*)?
                }
            }
        }

        impl $crate::wire::Wire for $name {
            fn read(r: &mut $crate::reader::Reader<'_>) -> Result<Self, $crate::DecodeError> {
                let mut message = Self::default();
                $($crate::describe::read_field!(r, message.$field, $($($versions)*)?);)*
                $crate::describe::read_tagged!(
                    r, message, $($($tag, $tagged, [$($($tag_versions)*)?];)*)?
                );
                Ok(message)
            }

            fn write(&self, w: &mut $crate::writer::Writer) {
                $($crate::describe::write_field!(w, self.$field, $($($versions)*)?);)*
                $crate::describe::write_tagged!(
                    w, self, $($($tag, $tagged, [$($($tag_versions)*)?];)*)?
                );
            }

            #[cfg(test)]
            fn sample(s: &mut $crate::tests::sampler::Sampler) -> Self {
                let mut message = Self::default();
                $($crate::describe::sample_field!(s, message.$field, $($($versions)*)?);)*
                $($(if s.is_flexible() && $crate::describe::has!(s, $($($tag_versions)*)?) && s.below(2) == 0 {
                    message.$tagged = $crate::wire::Wire::sample(s);
                })*)?
                message
            }
        }

        impl $crate::wire::Nullable for $name {
            fn read_nullable(
                r: &mut $crate::reader::Reader<'_>,
            ) -> Result<Option<Self>, $crate::DecodeError> {
                let presence: i8 = $crate::wire::Wire::read(r)?;
                if presence < 0 { Ok(None) } else { $crate::wire::Wire::read(r).map(Some) }
            }

            fn write_nullable(value: Option<&Self>, w: &mut $crate::writer::Writer) {
                $crate::wire::Wire::write(&if value.is_some() { 1i8 } else { -1 }, w);
                if let Some(value) = value {
                    $crate::wire::Wire::write(value, w);
                }
            }
        }
    )*};
}

/// The versions of a field, in words.
macro_rules! carried {
    () => {
        "In every version."
    };
    ($($versions:tt)+) => {
        concat!("In versions `", stringify!($($versions)+), "`.")
    };
}

macro_rules! default_of {
    () => {
        Default::default()
    };
    ($default:expr) => {
        $default
    };
}

/// Whether the version at hand has a field.
macro_rules! has {
    ($at:ident,) => {
        true
    };
    ($at:ident, $versions:expr) => {
        $crate::describe::within($versions, $at.version())
    };
}

macro_rules! read_field {
    ($r:ident, $place:expr,) => {
        $place = $crate::wire::Wire::read($r)?
    };
    ($r:ident, $place:expr, $versions:expr) => {
        if $crate::describe::has!($r, $versions) {
            $place = $crate::wire::Wire::read($r)?;
        }
    };
    ($r:ident, $place:expr, $versions:expr; null $null:expr) => {
        if $crate::describe::has!($r, $null) {
            $place = $crate::wire::Wire::read($r)?;
        } else if $crate::describe::has!($r, $versions) {
            $place = $crate::wire::read_present($r)?;
        }
    };
}

macro_rules! write_field {
    ($w:ident, $value:expr,) => {
        $crate::wire::Wire::write(&$value, $w)
    };
    ($w:ident, $value:expr, $versions:expr) => {
        if $crate::describe::has!($w, $versions) {
            $crate::wire::Wire::write(&$value, $w);
        }
    };
    ($w:ident, $value:expr, $versions:expr; null $null:expr) => {
        if $crate::describe::has!($w, $null) {
            $crate::wire::Wire::write(&$value, $w);
        } else if $crate::describe::has!($w, $versions) {
            $crate::wire::write_present(&$value, $w);
        }
    };
}

macro_rules! read_tagged {
    ($r:ident, $message:ident,) => {
        $r.tagged_fields(|_, _| Ok(false))?
    };
    ($r:ident, $message:ident, $($tag:literal, $field:ident, [$($versions:tt)*];)+) => {
        $r.tagged_fields(|tag, r| {
            match tag {
                $($tag if $crate::describe::has!(r, $($versions)*) => {
                    $message.$field = $crate::wire::Wire::read(r)?;
                })+
                _ => return Ok(false),
            }
            Ok(true)
        })?
    };
}

macro_rules! write_tagged {
    ($w:ident, $value:expr,) => {
        $w.tagged_field_count(0)
    };
    ($w:ident, $value:expr, $($tag:literal, $field:ident, [$($versions:tt)*];)+) => {
        if $w.is_flexible() {
            let absent = Self::default();
            let present = [$(
                $crate::describe::has!($w, $($versions)*) && $value.$field != absent.$field,
            )+];
            $w.tagged_field_count(present.iter().map(|present| u32::from(*present)).sum());
            let mut present = present.into_iter();
            $(if present.next() == Some(true) {
                $w.tagged_field($tag, &$value.$field);
            })+
        }
    };
}

#[cfg(test)]
macro_rules! sample_field {
    ($s:ident, $place:expr,) => {
        $place = $crate::wire::Wire::sample($s)
    };
    ($s:ident, $place:expr, $versions:expr) => {
        if $crate::describe::has!($s, $versions) {
            $place = $crate::wire::Wire::sample($s);
        }
    };
    ($s:ident, $place:expr, $versions:expr; null $null:expr) => {
        if $crate::describe::has!($s, $null) {
            $place = $crate::wire::Wire::sample($s);
        } else if $crate::describe::has!($s, $versions) {
            $place = Some($crate::wire::Wire::sample($s));
        }
    };
}

#[cfg(test)]
pub(crate) use sample_field;
pub(crate) use {
    carried, default_of, has, messages, read_field, read_tagged, write_field, write_tagged,
};
