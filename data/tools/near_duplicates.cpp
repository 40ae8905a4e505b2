#include "data/tools/near_duplicates.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <optional>

#include "core/base/error.h"
#include "core/base/parallel.h"
#include "core/image/resize.h"
#include "core/plot/contact_sheet.h"
#include "core/plot/thumbnail.h"

namespace rtdetr {
namespace {

constexpr int kSide = 32, kFrequencies = 8;

double grey_of(const std::uint8_t* rgb) { return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]; }

/// cos of the transform's term for frequency f at place i.
double cosine(int f, int i) { return std::cos(std::numbers::pi * f * (2 * i + 1) / (2.0 * kSide)); }

using Cosines = std::array<std::array<double, kSide>, kFrequencies>;

const Cosines& cosines() {
  static const Cosines table = [] {
    Cosines values{};
    for (int f = 0; f < kFrequencies; ++f) {
      for (int i = 0; i < kSide; ++i) values[f][i] = cosine(f, i);
    }
    return values;
  }();
  return table;
}

/// The lowest frequencies of the grey values, row by row, without the mean.
std::array<double, kFrequencies * kFrequencies - 1> low_frequencies(const std::array<double, kSide * kSide>& grey) {
  std::array<std::array<double, kFrequencies>, kSide> rows{};  // transformed along x
  for (int y = 0; y < kSide; ++y) {
    for (int f = 0; f < kFrequencies; ++f) {
      for (int x = 0; x < kSide; ++x) rows[y][f] += cosines()[f][x] * grey[y * kSide + x];
    }
  }
  std::array<double, kFrequencies * kFrequencies - 1> low{};
  for (int v = 0; v < kFrequencies; ++v) {
    for (int u = 0; u < kFrequencies; ++u) {
      if (u + v == 0) continue;
      double sum = 0;
      for (int y = 0; y < kSide; ++y) sum += cosines()[v][y] * rows[y][u];
      low[v * kFrequencies + u - 1] = sum;
    }
  }
  return low;
}

std::uint64_t hash_of(const std::array<double, kSide * kSide>& grey) {
  const auto low = low_frequencies(grey);
  auto sorted = low;
  const auto middle = sorted.begin() + sorted.size() / 2;
  std::nth_element(sorted.begin(), middle, sorted.end());
  std::uint64_t hash = 0;
  for (std::size_t i = 0; i < low.size(); ++i) hash |= static_cast<std::uint64_t>(low[i] > *middle) << i;
  return hash;
}

/// The likest earlier picture of one.
std::optional<NearPair> likest(std::span<const std::vector<PictureSketch>> sketches, std::size_t split,
                               std::size_t picture) {
  std::optional<NearPair> best;
  const PictureSketch& sketch = sketches[split][picture];
  if (!sketch.usable) return best;
  for (std::size_t s = 0; s < split; ++s) {
    for (std::size_t i = 0; i < sketches[s].size(); ++i) {
      const int bits = different_bits(sketch, sketches[s][i]);
      if (bits > kMostDifferentBits || (best && bits >= best->bits) || !look_alike(sketch, sketches[s][i])) continue;
      best = NearPair{split, picture, s, i, bits};
    }
  }
  return best;
}

}  // namespace

PictureSketch sketch_of(const Picture& picture) {
  PictureSketch sketch;
  if (picture.width <= 0 || picture.height <= 0) return sketch;
  const Picture small = resize(picture, kSide, kSide);
  std::array<double, kSide * kSide> grey{};
  double sum = 0, squares = 0;
  for (int i = 0; i < kSide * kSide; ++i) {
    grey[i] = grey_of(small.rgb.data() + 3 * i);
    sum += grey[i];
    squares += grey[i] * grey[i];
  }
  constexpr double kCells = kSide * kSide, kPlainest = 4;  // standard deviation of the grey values
  sketch.usable = squares / kCells - (sum / kCells) * (sum / kCells) >= kPlainest * kPlainest;
  sketch.hash = hash_of(grey);
  constexpr int kStep = kSide / PictureSketch::kGrid;
  for (int y = 0; y < PictureSketch::kGrid; ++y) {
    for (int x = 0; x < PictureSketch::kGrid; ++x) {
      double cell = 0;
      for (int dy = 0; dy < kStep; ++dy) {
        for (int dx = 0; dx < kStep; ++dx) cell += grey[(y * kStep + dy) * kSide + x * kStep + dx];
      }
      sketch.grey[static_cast<std::size_t>(y * PictureSketch::kGrid + x)] =
          static_cast<std::uint8_t>(std::lround(cell / (kStep * kStep)));
    }
  }
  return sketch;
}

int different_bits(const PictureSketch& a, const PictureSketch& b) { return std::popcount(a.hash ^ b.hash); }

double correlation(const PictureSketch& a, const PictureSketch& b) {
  double sum_a = 0, sum_b = 0, aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < a.grey.size(); ++i) {
    const double x = a.grey[i], y = b.grey[i];
    sum_a += x;
    sum_b += y;
    aa += x * x;
    bb += y * y;
    ab += x * y;
  }
  const auto n = static_cast<double>(a.grey.size());
  const double spread = (aa - sum_a * sum_a / n) * (bb - sum_b * sum_b / n);
  return spread > 0 ? (ab - sum_a * sum_b / n) / std::sqrt(spread) : 0;
}

bool look_alike(const PictureSketch& a, const PictureSketch& b) {
  return a.usable && b.usable && different_bits(a, b) <= kMostDifferentBits && correlation(a, b) >= kLeastCorrelation;
}

std::vector<NearPair> find_near_pairs(std::span<const std::vector<PictureSketch>> sketches, int threads) {
  std::vector<NearPair> pairs;
  for (std::size_t s = 1; s < sketches.size(); ++s) {
    std::vector<std::optional<NearPair>> found(sketches[s].size());
    parallel_for(found.size(), threads, [&](int, std::size_t i) { found[i] = likest(sketches, s, i); });
    for (const auto& pair : found) {
      if (pair) pairs.push_back(*pair);
    }
  }
  return pairs;
}

Picture draw_near_pairs(std::span<const NearPair> pairs, const std::vector<NamedDataset>& splits, std::size_t most) {
  const ContactSheetOptions options{.columns = 4};
  std::vector<Tile> tiles;
  const auto add = [&](std::size_t split, std::size_t picture) {
    const Dataset& dataset = splits[split].dataset;
    const auto& entry = dataset.pictures[picture];
    const std::string caption = splits[split].key + ": " + entry.file.filename().string();
    try {
      const Picture whole = read_picture_of(dataset, entry);
      tiles.push_back({thumbnail(whole, options.tile_width, options.tile_height).picture, caption});
    } catch (const Error&) {
      tiles.push_back({Picture(1, 1), caption});  // gone since it was looked at
    }
  };
  for (const NearPair& pair : pairs.first(std::min(most, pairs.size()))) {
    add(pair.other_split, pair.other);
    add(pair.split, pair.picture);
  }
  return contact_sheet(tiles, options);
}

}  // namespace rtdetr
