#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/image/picture.h"
#include "data/tools/doctor_pictures.h"

/// Pictures that look alike though their bytes differ: saved anew, shrunk, a little brighter, the next frame of a film.
/// In two splits they flatter a model as copies do. Not for other folders.
///
/// A picture's sketch is a hash of its coarse pattern and its grey values on a small grid. The hash has a bit for each
/// of the 63 lowest frequencies of the discrete cosine transform of 32x32 grey values, set where the coefficient is
/// above their median, so that brightness and contrast do not matter (Zauner, "Implementation and benchmarking of
/// perceptual image hash functions", 2010, section 3.2.1). Hashes of few different bits make a pair of candidates, and
/// the grids' correlation decides: without it, sets of alike scenes (cells, roads) are full of chance pairs.
namespace rtdetr {

inline constexpr int kMostDifferentBits = 8;       ///< of 63
inline constexpr double kLeastCorrelation = 0.97;  ///< of the grids

struct PictureSketch {
  static constexpr int kGrid = 16;
  std::uint64_t hash = 0;
  std::array<std::uint8_t, static_cast<std::size_t>(kGrid) * kGrid> grey{};
  bool usable = false;  ///< false: no picture, or one too plain to tell from others
};

PictureSketch sketch_of(const Picture& picture);
/// Bits in which the hashes differ.
int different_bits(const PictureSketch& a, const PictureSketch& b);
/// Of the grids, −1 to 1.
double correlation(const PictureSketch& a, const PictureSketch& b);
bool look_alike(const PictureSketch& a, const PictureSketch& b);

/// A picture that looks like one of an earlier split.
struct NearPair {
  std::size_t split = 0, picture = 0;
  std::size_t other_split = 0, other = 0;  ///< the likest one of the earlier splits
  int bits = 0;
};

/// For every picture the likest one of the splits before its own, if one is alike. Every pair of pictures is compared:
/// about a nanosecond each.
/// @param sketches  by split and picture
std::vector<NearPair> find_near_pairs(std::span<const std::vector<PictureSketch>> sketches, int threads);

/// Pairs side by side with their names, at most `most`; empty if there are none.
Picture draw_near_pairs(std::span<const NearPair> pairs, const std::vector<NamedDataset>& splits, std::size_t most);

}  // namespace rtdetr
