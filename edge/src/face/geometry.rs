//! Points and rectangles in pixels of a frame: x to the right, y down, the middle of the first pixel at (0, 0).

use serde::Serialize;

/// A place in a frame, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

/// A rectangle in a frame, in pixels. It may reach beyond the frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub w: f32,
    /// Height.
    pub h: f32,
}

impl Point {
    /// The distance to another point, in pixels.
    pub fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

impl Rect {
    /// The point in the middle.
    pub fn centre(self) -> Point {
        Point { x: self.x + self.w / 2.0, y: self.y + self.h / 2.0 }
    }

    /// Area of the intersection over area of the union: 0 when apart, 1 when equal.
    pub fn iou(self, other: Self) -> f32 {
        let across = (self.x + self.w).min(other.x + other.w) - self.x.max(other.x);
        let down = (self.y + self.h).min(other.y + other.h) - self.y.max(other.y);
        if across <= 0.0 || down <= 0.0 {
            return 0.0;
        }
        let both = across * down;
        both / (self.w * self.h + other.w * other.h - both)
    }

    /// Whether no part lies outside a frame of this size, in pixels.
    pub fn lies_within(self, width: u32, height: u32) -> bool {
        self.x >= 0.0 && self.y >= 0.0 && self.x + self.w <= width as f32 && self.y + self.h <= height as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_runs_from_nothing_to_all() {
        let rect = |x: f32| Rect { x, y: 0.0, w: 10.0, h: 10.0 };
        for (x, expected) in [(0.0, 1.0), (5.0, 1.0 / 3.0), (10.0, 0.0), (-20.0, 0.0)] {
            assert!((rect(0.0).iou(rect(x)) - expected).abs() < 1e-6, "moved by {x}");
        }
        assert!(
            rect(0.0).lies_within(10, 10)
                && !rect(0.1).lies_within(10, 10)
                && !rect(-0.1).lies_within(20, 10)
        );
    }
}
