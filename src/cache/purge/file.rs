//! How are purges written to a file, and read from one that may be torn?

use super::Seq;
use super::ban::{Ban, SOFT};
use super::table::{LONGEST_PREFIX, Table};

/// What the file begins with; the number is that of this format.
const MAGIC: &[u8] = b"portcullis purges 1\n";

const ALL: u8 = 0;
const URL: u8 = 1;
const TAG: u8 = 2;
const PREFIX: u8 = 3;

/// The magic, the latest [`Seq`], all bans, and a CRC-32 of all that; numbers begin with their lowest byte.
pub(super) fn write(now: Seq, table: &Table) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(now.0.to_le_bytes());
    write_ban(&mut out, &[ALL], &table.all);
    for (kind, bans) in [(URL, &table.urls), (TAG, &table.tags)] {
        for (hash, ban) in bans {
            let mut key = [kind; 9];
            key[1..].copy_from_slice(&hash.to_le_bytes());
            write_ban(&mut out, &key, ban);
        }
    }
    for (prefix, ban) in &table.prefixes {
        let mut key = vec![PREFIX];
        // Prefixes are cut to what fits.
        key.extend((prefix.len() as u16).to_le_bytes());
        key.extend(&**prefix);
        write_ban(&mut out, &key, ban);
    }
    out.extend(crc32fast::hash(&out).to_le_bytes());
    out
}

fn write_ban(out: &mut Vec<u8>, key: &[u8], ban: &Ban) {
    out.extend(key);
    out.extend(ban.hard().to_le_bytes());
    out.push(ban.soft().len() as u8);
    for (seq, at) in ban.soft() {
        out.extend(seq.to_le_bytes());
        out.extend(at.to_le_bytes());
    }
}

/// `None` for what [`write`] did not write.
pub(super) fn read(bytes: &[u8]) -> Option<(Seq, Table)> {
    let (content, sum) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(content) != u32::from_le_bytes(*sum) {
        return None;
    }
    let mut rest = content.strip_prefix(MAGIC)?;
    let now = number(&mut rest)?;
    let mut table = Table::default();
    while let Some((kind, after)) = rest.split_first() {
        rest = after;
        match *kind {
            ALL => table.all.absorb(&ban(&mut rest)?),
            URL => table.add_url(number(&mut rest)?, &ban(&mut rest)?),
            TAG => table.add_tag(number(&mut rest)?, &ban(&mut rest)?),
            PREFIX => {
                let (length, after) = rest.split_first_chunk::<2>()?;
                let length = usize::from(u16::from_le_bytes(*length));
                let (prefix, after) = after.split_at_checked(length)?;
                if length > LONGEST_PREFIX {
                    return None;
                }
                rest = after;
                table.add_prefix(prefix, &ban(&mut rest)?);
            }
            _ => return None,
        }
    }
    table.bound();
    // A purge that is later than the latest was not written by us.
    (table.latest() <= now).then_some((Seq(now), table))
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let (number, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(u64::from_le_bytes(*number))
}

fn ban(rest: &mut &[u8]) -> Option<Ban> {
    let hard = number(rest)?;
    let (&count, after) = rest.split_first()?;
    *rest = after;
    if usize::from(count) > SOFT {
        return None;
    }
    let soft = (0..count).map(|_| Some((number(rest)?, number(rest)?)));
    Some(Ban::of_parts(hard, soft.collect::<Option<_>>()?))
}
