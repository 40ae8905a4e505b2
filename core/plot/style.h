#pragma once

#include "core/plot/canvas.h"

/// What all of our charts and sheets share.
namespace rtdetr::style {

inline constexpr double kTextHeight = 9, kTitleHeight = 12;  ///< pixels
inline constexpr Color kInk{50, 50, 50};

/// The text, shortened to what `width` pixels hold.
std::string cut_to(const std::string& text, double width);

}  // namespace rtdetr::style
