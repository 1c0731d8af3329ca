//! What stands in the rows: orders of a shop.

use std::fmt::Write as _;

/// A small, fast and stable source of numbers (SplitMix64): the same seed gives the same data in every version.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        let index = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        from.get(index).copied().unwrap_or_default()
    }

    pub(super) fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'a' + u8::try_from(self.below(26)).unwrap_or(0))).collect()
    }
}

const FIRST_NAMES: &[&str] = &[
    "Ada", "Björn", "Chloé", "Dmitri", "Esi", "Fatima", "Grace", "Hiro", "Inês", "Jürgen", "Kofi", "Lucía", "Mei",
    "Noor", "Olga", "Priya", "Quentin", "Rosa", "Søren", "Tariq", "Uma", "Vera", "Wei", "Ximena", "Yusuf", "Zoë",
];
const LAST_NAMES: &[&str] = &[
    "Almeida",
    "Bauer",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ito",
    "Jensen",
    "Kowalski",
    "Lindqvist",
    "Mensah",
    "Nakamura",
    "O'Brien",
    "Petrov",
    "Quispe",
    "Rossi",
    "Silva",
    "Tanaka",
    "Ueda",
    "Vogel",
    "Weiß",
    "Xu",
    "Yılmaz",
    "Zhang",
];
const CITIES: &[(&str, &str)] = &[
    ("Berlin", "DE"),
    ("São Paulo", "BR"),
    ("Kraków", "PL"),
    ("Lyon", "FR"),
    ("Osaka", "JP"),
    ("Accra", "GH"),
    ("Gothenburg", "SE"),
    ("İzmir", "TR"),
    ("Porto", "PT"),
    ("Leeds", "GB"),
    ("Pune", "IN"),
    ("Oaxaca", "MX"),
];
const GOODS: &[&str] = &[
    "espresso machine",
    "desk lamp",
    "trail shoes",
    "wool blanket",
    "chef's knife",
    "field notebook",
    "rain jacket",
    "cast-iron pan",
    "bicycle pump",
    "mechanical keyboard",
    "reading chair",
    "travel mug",
    "garden shears",
    "wall clock",
];
const REMARKS: &[&str] = &[
    "leave at the door",
    "gift wrap, please",
    "customer asked for an invoice",
    "deliver before noon",
    "second attempt",
    "said \"call first\"",
    "fragile; handle with care",
    "paid by voucher",
    "express",
    "back order, ships later",
];

/// The columns of CSV and TSV files.
pub(super) const COLUMNS: &[&str] = &[
    "order_id",
    "sku",
    "customer",
    "email",
    "city",
    "country",
    "item",
    "quantity",
    "unit_price",
    "ordered_at",
    "shipped",
    "postcode",
    "note",
];

/// One order.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    pub(super) order_id: u64,
    /// With leading zeros: a name, not a number.
    pub(super) sku: String,
    pub(super) customer: String,
    pub(super) email: String,
    pub(super) city: &'static str,
    pub(super) country: &'static str,
    pub(super) item: &'static str,
    pub(super) quantity: u64,
    pub(super) unit_price: String,
    pub(super) ordered_at: String,
    pub(super) shipped: bool,
    pub(super) postcode: String,
    pub(super) note: String,
}

impl Order {
    /// Fills the order with the next data; the buffers are kept.
    pub(super) fn fill(&mut self, random: &mut Random, needle: Option<&str>) {
        let (first, last) = (random.pick(FIRST_NAMES), random.pick(LAST_NAMES));
        let place = usize::try_from(random.below(CITIES.len() as u64)).unwrap_or(0);
        let (city, country) = CITIES.get(place).copied().unwrap_or_default();
        (self.city, self.country) = (city, country);
        self.order_id = 1_000_000 + random.below(9_000_000_000);
        self.quantity = 1 + random.below(12);
        self.shipped = random.below(4) > 0;
        self.item = random.pick(GOODS);
        let (sku, number, postcode) = (random.below(100_000), random.below(1_000), random.below(100_000));
        rewrite(&mut self.sku, format_args!("{sku:06}"));
        rewrite(&mut self.customer, format_args!("{first} {last}"));
        rewrite(&mut self.email, format_args!("user{number}.{sku}@example.org"));
        rewrite(&mut self.postcode, format_args!("{postcode:05}"));
        rewrite(&mut self.unit_price, format_args!("{}.{:02}", 1 + random.below(900), random.below(100)));
        let (month, day) = (1 + random.below(12), 1 + random.below(28));
        let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
        rewrite(&mut self.ordered_at, format_args!("2024-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"));
        self.fill_note(random, needle);
    }

    fn fill_note(&mut self, random: &mut Random, needle: Option<&str>) {
        self.note.clear();
        match random.below(10) {
            0..=3 => {}
            4 => {
                let (first, second) = (random.pick(REMARKS), random.pick(REMARKS));
                rewrite(&mut self.note, format_args!("{first}\n{second}"));
            }
            _ => self.note.push_str(random.pick(REMARKS)),
        }
        if let Some(needle) = needle {
            let lead = if self.note.is_empty() { "" } else { " " };
            let _ = write!(self.note, "{lead}{needle}");
        }
    }
}

fn rewrite(text: &mut String, content: std::fmt::Arguments<'_>) {
    text.clear();
    // Writing into a string cannot fail.
    let _ = text.write_fmt(content);
}
