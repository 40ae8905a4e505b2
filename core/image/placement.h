#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "core/base/choices.h"
#include "core/image/chw.h"
#include "core/image/fit.h"
#include "core/image/image_size.h"
#include "core/image/picture_size.h"

namespace rtdetr {

inline constexpr std::array<Choice<Fit>, 3> kFitWords{
    {{"stretch", Fit::kStretch}, {"letterbox", Fit::kLetterbox}, {"keep_ratio", Fit::kKeepRatio}}};

/// Around a letterboxed picture, of each channel.
inline constexpr int kLetterboxGrey = 114;

/// Where a picture lies in the network's input: all that brings its boxes there and back. A box is moved by the scale,
/// which is the picture's exact one, while the part that shows it has whole pixels; the two differ by less than a
/// pixel.
struct Placement {
  PictureSize picture;                      ///< its own pixels
  int x = 0, y = 0, width = 0, height = 0;  ///< the part of the input that shows it
  double scale_x = 1, scale_y = 1;          ///< pixels of the input for one of the picture
  PictureSize unit;  ///< what the model's boxes are fractions of: the input, or with padding that
                     ///< the model leaves out the picture's part of it

  /// @param xyxy  pixels of the picture. @return  pixels of the input
  std::array<double, 4> to_input(const std::array<double, 4>& xyxy) const;
  /// @param xyxy  pixels of the input. @return  pixels of the picture, inside it
  std::array<double, 4> to_picture(const std::array<double, 4>& xyxy) const;
  /// Whether boxes as fractions of `unit` are those of the picture.
  bool shares_fractions() const { return x == 0 && y == 0 && unit.width == width && unit.height == height; }
};

/// kStretch: the input as it is. kLetterbox: by min(input / picture), each side rounded, at least 1, and half of what
/// is left on each side, the smaller half first. kKeepRatio: the input's smaller side is that of the picture's shorter
/// one, and if the longer one would then be longer than the input's larger side, that is; at the top left. (DETR's
/// rule; a longer side that its rounding lets through the limit is cut to it.)
/// @param picture  of at least one pixel
/// @param input    its size, or with kKeepRatio its two limits, in any order
Placement place(const PictureSize& picture, const ImageSize& input, Fit fit);

/// The smallest sides that are multiples of `stride`.
ImageSize rounded_up(const ImageSize& size, std::int64_t stride);
/// Of a batch whose pictures are padded to its largest: sides that are multiples of `stride`.
ImageSize input_for(std::span<const Placement> pictures, std::int64_t stride);
/// Room for any picture under these limits: the larger of them each way.
ImageSize largest_input(const ImageSize& limits, Fit fit, std::int64_t stride);

/// Writes what lies around the picture: the letterbox's grey, else 0.
void fill_around(const Placement& placement, Fit fit, const ChwView& input);
/// The part of the input that shows the picture.
ChwView part_of(const Placement& placement, const ChwView& input);

}  // namespace rtdetr
