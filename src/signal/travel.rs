//! Impossible travel: where an event came from, and how far that is from the place before.

use crate::model::event::{Event, Value};
use crate::model::field::FieldId;
use crate::stdx::time::{SECOND_US, Timestamp};

/// Radius of the earth.
const EARTH_KM: f64 = 6_371.0;
/// What is kept of a country's name.
const COUNTRY_BYTES_MAX: usize = 64;

/// Where and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    /// Event time.
    pub time: Timestamp,
    /// The country, or empty.
    pub country: String,
    /// Latitude and longitude in degrees.
    pub point: Option<(f64, f64)>,
}

/// Where the event came from; `None`: it does not say.
pub fn spot(event: &Event) -> Option<Spot> {
    let text = |name: &str| FieldId::lookup(name).and_then(|field| event.str(field));
    let number = |name: &str| {
        FieldId::lookup(name).and_then(|field| match event.get(field)? {
            Value::Int(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            Value::Str(text) => text.trim().parse().ok(),
            Value::Bool(_) | Value::Null => None,
        })
    };
    let pair = number("source.geo.location.lat").zip(number("source.geo.location.lon"));
    let point = pair
        .or_else(|| text("source.geo.location").and_then(written))
        .filter(|(lat, lon)| lat.abs() <= 90.0 && lon.abs() <= 180.0);
    let country = text("source.geo.country_iso_code").or_else(|| text("source.geo.country_name"));
    let country: String =
        country.unwrap_or_default().trim().to_uppercase().chars().take(COUNTRY_BYTES_MAX).collect();
    (point.is_some() || !country.is_empty()).then_some(Spot {
        time: event.timestamp,
        country,
        point,
    })
}

/// `52.5,13.4` or `POINT (13.4 52.5)`.
fn written(text: &str) -> Option<(f64, f64)> {
    if let Some((lat, lon)) = text.split_once(',') {
        return Some((lat.trim().parse().ok()?, lon.trim().parse().ok()?));
    }
    let inner = text.trim().strip_prefix("POINT")?.trim().strip_prefix('(')?.strip_suffix(')')?;
    let (lon, lat) = inner.trim().split_once(' ')?;
    Some((lat.trim().parse().ok()?, lon.trim().parse().ok()?))
}

/// Why nobody can have gone from one place to the other; `None`: they can.
pub fn impossible(
    one: &Spot,
    two: &Spot,
    speed: f64,
    distance: f64,
    country: i64,
) -> Option<String> {
    let apart = two.time.micros_since(one.time).saturating_abs();
    if let Some((from, to)) = one.point.zip(two.point) {
        let km = kilometres(from, to);
        let hours = apart as f64 / (3_600.0 * SECOND_US as f64);
        let needed = km / hours.max(1.0 / 3_600.0);
        return (km >= distance && needed > speed)
            .then(|| format!("{km:.0} km in {:.1} h, {needed:.0} km/h", hours));
    }
    let other = !one.country.is_empty() && !two.country.is_empty() && one.country != two.country;
    (other && apart < country).then(|| {
        format!("{} and {} within {} min", one.country, two.country, apart / (60 * SECOND_US))
    })
}

fn kilometres((lat1, lon1): (f64, f64), (lat2, lon2): (f64, f64)) -> f64 {
    let (north, east) = ((lat2 - lat1).to_radians() / 2.0, (lon2 - lon1).to_radians() / 2.0);
    let half = north.sin().powi(2)
        + lat1.to_radians().cos() * lat2.to_radians().cos() * east.sin().powi(2);
    2.0 * EARTH_KM * half.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: f64, point: Option<(f64, f64)>, country: &str) -> Spot {
        let time = Timestamp((hours * 3_600.0 * SECOND_US as f64) as i64);
        Spot { time, country: country.to_owned(), point }
    }

    #[test]
    fn distances_speeds_and_countries() {
        let (berlin, sydney) = (Some((52.52, 13.40)), Some((-33.87, 151.21)));
        assert!((kilometres((52.52, 13.40), (-33.87, 151.21)) - 16_090.0).abs() < 100.0);
        let hop = |hours, to, country| {
            impossible(
                &at(0.0, berlin, "DE"),
                &at(hours, to, country),
                900.0,
                500.0,
                3_600 * SECOND_US,
            )
        };
        assert!(hop(2.0, sydney, "AU").unwrap().contains("km/h"));
        assert_eq!(hop(30.0, sydney, "AU"), None, "a flight");
        assert_eq!(hop(0.01, Some((52.40, 13.06)), "DE"), None, "the next town");
        assert!(hop(0.5, None, "AU").unwrap().starts_with("DE and AU"));
        assert_eq!(hop(2.0, None, "AU"), None);
        assert_eq!(hop(0.5, None, ""), None, "it does not say");
        assert_eq!(written("POINT (13.4 52.5)"), Some((52.5, 13.4)));
        assert_eq!(written("52.5, 13.4"), Some((52.5, 13.4)));
        assert_eq!(written("Berlin"), None);
    }
}
