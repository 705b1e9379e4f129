//! Draws plots of lines as SVG.

use std::fmt::Write as _;

use super::markup::escape;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 46.0;
/// About how many marks an axis has.
const MARKS: f64 = 6.0;

pub(super) struct Axis {
    pub(super) label: &'static str,
    /// Positions with their labels.
    pub(super) marks: Vec<(f64, String)>,
}

pub(super) struct Curve<'a> {
    pub(super) name: &'a str,
    pub(super) points: Vec<(f64, f64)>,
}

/// Some curves over one axis, from zero upwards.
pub(super) struct Plot<'a> {
    pub(super) title: &'static str,
    pub(super) x: Axis,
    pub(super) y_label: &'static str,
    pub(super) curves: Vec<Curve<'a>>,
}

/// Marks at round numbers from zero to `end`.
pub(super) fn round_marks(end: f64) -> Vec<(f64, String)> {
    if end <= 0.0 || !end.is_finite() {
        return vec![(0.0, "0".to_owned())];
    }
    let rough = end / MARKS;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(power);
    let decimals = usize::from(step < 1.0) * (-step.log10().floor()).max(0.0) as usize;
    let count = (end / step + 1e-9).floor() as usize;
    (0..=count).map(|nth| (nth as f64 * step, format!("{:.decimals$}", nth as f64 * step))).collect()
}

impl Plot<'_> {
    /// Returns a section with the plot and its legend.
    pub(super) fn draw(&self) -> String {
        let all = || self.curves.iter().flat_map(|curve| &curve.points);
        let right =
            all().map(|point| point.0).chain(self.x.marks.iter().map(|mark| mark.0)).fold(0.0, f64::max);
        let highest = all().map(|point| point.1).fold(0.0, f64::max);
        let top = if highest > 0.0 { highest * 1.05 } else { 1.0 };
        let x = |value: f64| LEFT + value / right.max(1e-9) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
        let mut svg = format!(
            "<section>\n<h2>{}</h2>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escape(self.title),
            escape(self.title)
        );
        for (at, text) in round_marks(top) {
            let at = y(at);
            mark(&mut svg, ("grid", LEFT, at, WIDTH - RIGHT, at), ("end", LEFT - 8.0, at + 4.0, &text));
        }
        for (at, text) in &self.x.marks {
            let bottom = HEIGHT - BOTTOM;
            let at = x(*at);
            mark(&mut svg, ("tick", at, bottom, at, bottom + 5.0), ("middle", at, bottom + 19.0, text));
        }
        label(&mut svg, "middle", WIDTH / 2.0, HEIGHT - 6.0, self.x.label);
        label(&mut svg, "start", 2.0, TOP - 4.0, self.y_label);
        for (nth, curve) in self.curves.iter().enumerate() {
            let points: Vec<String> =
                curve.points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
            let _infallible =
                writeln!(svg, "<polyline class=\"curve c{nth}\" points=\"{}\"/>", points.join(" "));
        }
        svg.push_str("</svg>\n<p class=\"legend\">");
        for (nth, curve) in self.curves.iter().enumerate() {
            let _infallible = write!(svg, "<span class=\"c{nth}\">{}</span> ", escape(curve.name));
        }
        svg + "</p>\n</section>"
    }
}

/// Draws a line of the given class from one point to another, and its label.
fn mark(svg: &mut String, line: (&str, f64, f64, f64, f64), text: (&str, f64, f64, &str)) {
    let (class, x1, y1, x2, y2) = line;
    let _infallible = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
    let (anchor, x, y, text) = text;
    label(svg, anchor, x, y, text);
}

fn label(svg: &mut String, anchor: &str, x: f64, y: f64, text: &str) {
    let text = escape(text);
    let _infallible = writeln!(svg, "<text text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(end: f64) -> Vec<String> {
        round_marks(end).into_iter().map(|mark| mark.1).collect()
    }

    #[test]
    fn marks_are_round_numbers_up_to_the_end() {
        assert_eq!(texts(10.0), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(texts(0.9), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(texts(12_345.0), ["0", "5000", "10000"]);
        assert_eq!(texts(0.0), ["0"]);
    }

    #[test]
    fn a_plot_without_points_is_valid() {
        let x = Axis { label: "seconds", marks: round_marks(0.0) };
        let plot =
            Plot { title: "t", x, y_label: "y", curves: vec![Curve { name: "n", points: Vec::new() }] };
        let svg = plot.draw();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
