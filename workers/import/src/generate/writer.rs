//! Writes one file of the data set.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

use flate2::write::GzEncoder;

use super::{
    Plan,
    broken::Breakage,
    content::{COLUMNS, Order},
};
use crate::{
    limits::WRITE_BUFFER_BYTES,
    source::{Compression, Format},
};

/// What was written.
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) needle_line: Option<u64>,
}

pub(super) fn write_file(plan: &Plan) -> io::Result<Written> {
    if let Some(folder) = plan.path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = File::create(&plan.path)?;
    let needle_line = if plan.breakage == Some(Breakage::Empty) {
        None
    } else {
        match plan.compression {
            Compression::None => {
                let mut out = BufWriter::with_capacity(WRITE_BUFFER_BYTES, &file);
                let needle_line = write_rows(plan, &mut out)?;
                out.flush()?;
                needle_line
            }
            Compression::Gzip => {
                let mut out = GzEncoder::new(BufWriter::new(&file), flate2::Compression::fast());
                let needle_line = write_rows(plan, &mut out)?;
                out.finish()?.flush()?;
                needle_line
            }
        }
    };
    let mut bytes = file.metadata()?.len();
    if plan.breakage == Some(Breakage::TruncatedGzip) {
        bytes = bytes * 2 / 3;
        file.set_len(bytes)?;
    }
    Ok(Written { bytes, needle_line })
}

/// Writes everything; returns the line of the needle's row.
fn write_rows(plan: &Plan, out: &mut impl Write) -> io::Result<Option<u64>> {
    let mut random = plan.random.clone();
    let mut order = Order::default();
    let mut row = Vec::with_capacity(512);
    begin(plan, &mut row);
    let (mut line, mut needle_line) = (1, None);
    let broken_row = plan.breakage.map_or(0, |breakage| breakage.row_number(plan.rows));
    for number in 0..plan.rows {
        let needle = plan.needle.as_ref().filter(|(at, _)| *at == number).map(|(_, word)| word.as_str());
        order.fill(&mut random, needle);
        line += newlines(&row);
        out.write_all(&row)?;
        row.clear();
        if needle.is_some() {
            needle_line = Some(line);
        }
        match plan.breakage.and_then(Breakage::row).filter(|_| number == broken_row) {
            Some(bytes) => row.extend_from_slice(bytes),
            None => write_order(plan.format, &order, number + 1 == plan.rows, &mut row),
        }
    }
    if plan.format == Format::Json {
        row.extend_from_slice(b"]\n");
    }
    out.write_all(&row)?;
    Ok(needle_line)
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

fn begin(plan: &Plan, row: &mut Vec<u8>) {
    let delimiter = match plan.format {
        Format::Csv => b",",
        Format::Tsv => b"\t",
        Format::Json => return row.extend_from_slice(b"[\n"),
        Format::Ndjson => return,
    };
    let mut names = COLUMNS.to_vec();
    if plan.breakage == Some(Breakage::DuplicateHeader) {
        names[1] = names[0];
    }
    for (index, name) in names.into_iter().enumerate() {
        if index > 0 {
            row.extend_from_slice(delimiter);
        }
        row.extend_from_slice(name.as_bytes());
    }
    row.push(b'\n');
}

fn write_order(format: Format, order: &Order, is_last: bool, row: &mut Vec<u8>) {
    match format {
        Format::Csv => write_delimited(order, b',', row),
        Format::Tsv => write_delimited(order, b'\t', row),
        Format::Ndjson => write_object(order, row),
        Format::Json => {
            write_object(order, row);
            if !is_last {
                row.push(b',');
            }
        }
    }
    row.push(b'\n');
}

fn write_delimited(order: &Order, delimiter: u8, row: &mut Vec<u8>) {
    // Writing into a vector cannot fail.
    let _ = write!(row, "{}", order.order_id);
    for text in [&order.sku, &order.customer, &order.email] {
        write_field(text, delimiter, row);
    }
    for text in [order.city, order.country, order.item] {
        write_field(text, delimiter, row);
    }
    row.push(delimiter);
    let _ = write!(row, "{}", order.quantity);
    for text in [&order.unit_price, &order.ordered_at] {
        write_field(text, delimiter, row);
    }
    write_field(if order.shipped { "true" } else { "false" }, delimiter, row);
    for text in [&order.postcode, &order.note] {
        write_field(text, delimiter, row);
    }
}

fn write_field(text: &str, delimiter: u8, row: &mut Vec<u8>) {
    row.push(delimiter);
    if !text.bytes().any(|byte| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r')) {
        return row.extend_from_slice(text.as_bytes());
    }
    row.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            row.push(b'"');
        }
        row.push(byte);
    }
    row.push(b'"');
}

/// JSON files know more than columns: the customer is an object of its own.
fn write_object(order: &Order, row: &mut Vec<u8>) {
    let _ = write!(row, "{{\"order_id\":{},\"sku\":\"{}\",\"customer\":{{\"name\":", order.order_id, order.sku);
    write_json(&order.customer, row);
    let _ = write!(row, ",\"email\":\"{}\"}},\"city\":\"{}\",", order.email, order.city);
    let _ = write!(row, "\"country\":\"{}\",\"item\":\"{}\",", order.country, order.item);
    let _ = write!(row, "\"quantity\":{},\"unit_price\":{},", order.quantity, order.unit_price);
    let _ = write!(row, "\"ordered_at\":\"{}\",\"shipped\":{},", order.ordered_at, order.shipped);
    let _ = write!(row, "\"postcode\":\"{}\",\"note\":", order.postcode);
    if order.note.is_empty() {
        row.extend_from_slice(b"null");
    } else {
        write_json(&order.note, row);
    }
    row.push(b'}');
}

fn write_json(text: &str, row: &mut Vec<u8>) {
    // A string always is JSON, and a vector takes it.
    let _ = serde_json::to_writer(row, text);
}
