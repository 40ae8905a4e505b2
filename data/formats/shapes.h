#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "core/io/json_reader.h"
#include "data/dataset/data_problem.h"

/// What annotation tools draw besides boxes, and the upright box around it; not for other folders. Whatever is not
/// taken as it is, is counted and told: never dropped in silence.
namespace rtdetr {

/// Box around the points x1 y1 x2 y2 …; not a number if one of them is none.
/// @param points  at least one; any unit
/// @return        left, top, width, height
std::array<double, 4> box_around(std::span<const double> points);

/// Box around two boxes; not a number if one of them is none.
std::array<double, 4> box_around_both(const std::array<double, 4>& a, const std::array<double, 4>& b);

/// Box around a box that is turned clockwise, as pictures are seen.
/// @param xywh   before turning, pixels
/// @param pivot  what it is turned about, as a fraction of its width and height: {0, 0} its left upper corner, {0.5,
/// 0.5}
///               its centre
std::array<double, 4> box_around_turned(const std::array<double, 4>& xywh, double degrees, std::array<double, 2> pivot);

/// The points of an ellipse's box: its centre and half axes, turned clockwise.
std::array<double, 4> box_around_ellipse(std::array<double, 2> centre, std::array<double, 2> radii, double degrees);

/// Takes one value: numbers, or lists of numbers one or two deep ([x, y, …] or [[x, y], …]), one after the other.
/// @return  false if it is anything else; nothing is in `numbers` then
bool take_numbers(JsonReader& json, std::vector<double>& numbers);

/// A polygon, mask, circle or ellipse: the box around it is taken.
template <class Place>
void report_outline(ProblemCollector& problems, Place&& place) {
  problems.warn("outline_box", "shapes are outlines (polygons, masks, circles, ellipses); the box around each is taken",
                place);
}
/// A turned box.
template <class Place>
void report_turned(ProblemCollector& problems, Place&& place) {
  problems.warn("turned_box", "boxes are turned; the upright box around each is taken", place);
}
/// A further shape of a group, which is one object.
template <class Place>
void report_joined(ProblemCollector& problems, Place&& place) {
  problems.warn("joined_shapes", "shapes are parts of one object, of one group; the box around all of it is taken",
                place);
}
/// What has no area, or none that is read.
template <class Place>
void report_no_box(ProblemCollector& problems, Place&& place) {
  problems.warn("no_box", "annotations are no boxes or outlines (points, lines, tags, …); left out", place);
}

}  // namespace rtdetr
