//! These are the claims of a program, as far as they were checked and no further.

use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use stdx::printable;
use trust::{ClaimsView, Period, Signature, read_claims};

use super::{chain, line};

/// What was found where a program carries claims.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Claims {
    /// One token. That its digest is the file's was not checked.
    Read {
        #[serde(flatten)]
        view: Box<ClaimsView>,
        /// Always false: who needs to know asks a policy.
        digest_checked: bool,
    },
    /// There is something in their place that is not a token, or more than one.
    NotRead { why: String },
}

// === impl Claims ===

impl Claims {
    /// Claims of a program that carries these tokens, if any.
    pub(super) fn of(tokens: &[String], now: SystemTime) -> Option<Self> {
        match tokens {
            [] => None,
            [token] => Some(match read_claims(token, now) {
                Ok(view) => Self::Read { view: Box::new(view), digest_checked: false },
                Err(error) => Self::NotRead { why: chain(&error) },
            }),
            tokens => Some(Self::NotRead { why: format!("there are {}, and there may be one", tokens.len()) }),
        }
    }
}

impl Display for Claims {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let view = match self {
            Self::Read { view, .. } => view,
            Self::NotRead { why } => return write!(f, "\nclaims cannot be read: {}", printable(why)),
        };
        let signature = match view.signature {
            Signature::Valid => "signature valid",
            Signature::NotValid => "signature not valid",
            Signature::IssuerIsNoAccount => "signature not checked: the issuer is no account's key",
            Signature::OtherAlgorithm => "signature not checked: it is not Ed25519",
        };
        write!(f, "\nclaims ({signature}; the digest in them was not compared with this file)")?;
        line(f, "issuer", &view.issuer)?;
        line(f, "subject", &view.subject)?;
        view.name.iter().try_for_each(|name| line(f, "name", name))?;
        view.version.iter().try_for_each(|version| line(f, "version", version))?;
        view.revision.iter().try_for_each(|revision| line(f, "revision", &revision.to_string()))?;
        if !view.capabilities.is_empty() {
            line(f, "may use", &view.capabilities.join(", "))?;
        }
        if !view.tags.is_empty() {
            line(f, "tags", &view.tags.join(", "))?;
        }
        let times = [("issued", view.issued_at), ("not before", view.not_before), ("expires", view.expires)];
        for (name, seconds) in times {
            seconds.iter().try_for_each(|seconds| line(f, name, &date(*seconds)))?;
        }
        match view.period {
            Period::Current => Ok(()),
            Period::Expired => line(f, "period", "expired"),
            Period::NotYet => line(f, "period", "not valid yet"),
        }
    }
}

/// Seconds since 1970 as a date and time of day, in UTC.
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    if days > 2_932_896 {
        return format!("{seconds} s after 1970");
    }
    // Years of this reckoning start in March, so that the day that comes and goes is the last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(date(1_795_392_000), "2026-11-23 00:00:00 UTC");
        assert_eq!(date(u64::MAX), "18446744073709551615 s after 1970");
    }
}
