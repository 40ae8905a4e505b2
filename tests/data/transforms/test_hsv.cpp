#include "data/transforms/hsv.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/support/fixtures.h"

namespace rtdetr {
namespace {

using test::kFixtures;

using Pixels = std::vector<std::array<int, 3>>;

/// One row of pixels, as the model reads them.
std::vector<float> planes_of(const Pixels& pixels) {
  std::vector<float> chw;
  for (std::size_t c = 0; c < 3; ++c) {
    for (const auto& pixel : pixels) chw.push_back(static_cast<float>(pixel[c]) / 255.0f);
  }
  return chw;
}

std::vector<float> changed(const Pixels& pixels, const HsvChange& change) {
  std::vector<float> chw = planes_of(pixels);
  apply_hsv(change, ChwView::whole(chw.data(), static_cast<int>(pixels.size()), 1));
  return chw;
}

}  // namespace

TEST_CASE("a change of hue, saturation and value has OpenCV's pixels") {
  std::ifstream file(kFixtures / "hsv/opencv.json");
  const auto fixture = nlohmann::json::parse(file);
  const Pixels pixels = fixture.at("pixels");
  REQUIRE(pixels.size() > 250);
  for (const auto& change : fixture.at("changes")) {
    INFO("hue " << change.at("hue") << ", saturation " << change.at("saturation") << ", value " << change.at("value"));
    const Pixels expected = change.at("rgb");
    CHECK(changed(pixels, {change.at("hue"), change.at("saturation"), change.at("value")}) == planes_of(expected));
  }
}

TEST_CASE("grey has no hue: it becomes darker or lighter and stays grey") {
  const Pixels greys{{0, 0, 0}, {1, 1, 1}, {114, 114, 114}, {255, 255, 255}};
  CHECK(changed(greys, {0.3, 1.7, 0.5}) == planes_of({{0, 0, 0}, {0, 0, 0}, {57, 57, 57}, {127, 127, 127}}));
}

TEST_CASE("only the part that is named is changed, and values between two bytes are rounded before") {
  std::vector<float> chw(3 * 2 * 4, 100.4f / 255.0f);
  apply_hsv({0, 1, 0.5}, ChwView::whole(chw.data(), 4, 2).part(1, 0, 2, 1));
  CHECK(std::count(chw.begin(), chw.end(), 50.0f / 255.0f) == 6);
  CHECK(std::count(chw.begin(), chw.end(), 100.4f / 255.0f) == 18);
}

TEST_CASE("draws of colour fill their gains, one by one, and off means off") {
  TransformOptions options;
  CHECK_FALSE(changes_hsv(options));
  options.hsv_s = 0.7;
  options.hsv_v = 0.4;
  CHECK(changes_hsv(options));
  double least = 1, most = 1, lowest = 1, highest = 1;
  for (std::uint64_t index = 0; index < 2000; ++index) {
    Random random(4, RandomPurpose::kAugmentation, 0, index);
    const HsvChange change = draw_hsv(options, random);
    CHECK(change.hue == 0);
    least = std::min(least, change.saturation);
    most = std::max(most, change.saturation);
    lowest = std::min(lowest, change.value);
    highest = std::max(highest, change.value);
  }
  CHECK(least == Approx(0.3).margin(0.01));
  CHECK(most == Approx(1.7).margin(0.01));
  CHECK(lowest == Approx(0.6).margin(0.01));
  CHECK(highest == Approx(1.4).margin(0.01));
  options.augment = false;
  CHECK_FALSE(changes_hsv(options));
}

}  // namespace rtdetr
