//! A room, and a file over TCP that wants all of the same line.

use std::{net::SocketAddr, thread, time::Duration};

use anyhow::Result;

use super::{FAR, NEAR, busy_room, pair};
use crate::backbone::{
    order::Order,
    row::{Goal, Row, Unit},
    stage::Stage,
};

const CONDITIONS: &str = "rate=20mbit queue=100ms delay=20ms";
const LINE: f64 = 20e6;
const PORT: u16 = 7_999;
const WARM: Duration = Duration::from_secs(5);
/// Sound later than this is silence already.
const IN_TIME: Duration = Duration::from_millis(400);

/// Tries it.
pub fn run(length: Duration) -> Result<Vec<Row>> {
    let case = format!("against CUBIC, 20 Mbit/s, 40 ms, {} s", length.as_secs());
    let (mut stage, client) = pair(1, CONDITIONS)?;
    let show = busy_room();
    stage.begin(&show)?;
    let sink = SocketAddr::from((client.address, PORT));
    stage.node(FAR)?.tell(&Order::Drain(sink))?;
    stage.node(NEAR)?.tell(&Order::Flood(sink))?;
    thread::sleep(WARM);
    let (mut first, mut last) = (0, 0);
    let drained = |stage: &mut Stage| Ok::<_, anyhow::Error>(stage.node(FAR)?.look()?.drained);
    let watched = stage.watch(
        std::slice::from_ref(&show),
        length,
        IN_TIME,
        &mut [
            (Duration::ZERO, &mut |stage| {
                first = drained(stage)?;
                Ok(())
            }),
            (length, &mut |stage| {
                last = drained(stage)?;
                Ok(())
            }),
        ],
    )?;
    let share = |bytes: f64| bytes * 8.0 / length.as_secs_f64() / LINE * 100.0;
    let figures = &watched[0].figures;
    let bytes_of = |kind: &crate::backbone::figures::Flow| {
        kind.came as f64 * kind.bytes as f64 / kind.sent.max(1) as f64
    };
    let room = bytes_of(&figures.pictures) + bytes_of(&figures.sound);
    let whole = format!("{:.1} % of pictures whole", figures.pictures.share_whole());
    let sound = format!(
        "p50 {:.0} ms, {:.2} % within 400 ms",
        figures.sound.delay_ms(0.5),
        figures.sound.share_in_time()
    );
    Ok(vec![
        Goal::at_least("the room's share", 30.0, Unit::Percent).row_with(
            &case,
            share(room),
            &whole,
        ),
        Goal::at_least("the file's share", 30.0, Unit::Percent)
            .row(&case, share((last - first) as f64)),
        Goal::at_most("audio p99", 160.0, Unit::Ms).row_with(
            &case,
            figures.sound.delay_ms(0.99),
            &sound,
        ),
    ])
}
