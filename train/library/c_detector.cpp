#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/image/image_view.h"
#include "models/deploy/detector.h"
#include "train/library/c_error.h"
#include "train/library/detector_settings.h"
#include "train/library/rtdetr.h"

struct rtdetr_detector {
  rtdetr::Detector detector;
};

struct rtdetr_detections {
  std::vector<std::vector<rtdetr_detection>> of_image;
};

namespace {

rtdetr::ImageView view_of(const rtdetr_image& image) {
  rtdetr::ImageView view;
  view.data = image.data;
  view.width = image.width;
  view.height = image.height;
  view.stride = image.stride;
  view.format = static_cast<rtdetr::PixelFormat>(image.format);
  view.chroma = image.chroma;
  view.chroma_stride = image.chroma_stride;
  return view;
}

static_assert(RTDETR_RGB == static_cast<int>(rtdetr::PixelFormat::kRgb));
static_assert(RTDETR_BGR == static_cast<int>(rtdetr::PixelFormat::kBgr));
static_assert(RTDETR_RGBA == static_cast<int>(rtdetr::PixelFormat::kRgba));
static_assert(RTDETR_BGRA == static_cast<int>(rtdetr::PixelFormat::kBgra));
static_assert(RTDETR_GRAY == static_cast<int>(rtdetr::PixelFormat::kGray));
static_assert(RTDETR_NV12 == static_cast<int>(rtdetr::PixelFormat::kNv12));
static_assert(RTDETR_NV12_BT709 == static_cast<int>(rtdetr::PixelFormat::kNv12Bt709));

std::vector<rtdetr_detection> in_c(const std::vector<rtdetr::Detection>& found) {
  std::vector<rtdetr_detection> result;
  result.reserve(found.size());
  for (const rtdetr::Detection& d : found) result.push_back({d.x0, d.y0, d.x1, d.y1, d.score, d.label});
  return result;
}

rtdetr_detections* one_picture(const std::vector<rtdetr::Detection>& found) {
  return new rtdetr_detections{{in_c(found)}};
}

std::span<const std::byte> bytes_at(const void* place, std::size_t count) {
  return {static_cast<const std::byte*>(place), count};
}

}  // namespace

extern "C" {

rtdetr_detector* rtdetr_open(const char* model_file, const char* const* settings, rtdetr_error** error) {
  return rtdetr::guarded(error, [&] {
    rtdetr::require_given(model_file, "rtdetr_open: model_file");
    return new rtdetr_detector{rtdetr::Detector(model_file, rtdetr::detector_options(rtdetr::words_of(settings)))};
  });
}

rtdetr_detector* rtdetr_open_memory(const void* model_file, size_t bytes, const char* const* settings,
                                    rtdetr_error** error) {
  return rtdetr::guarded(error, [&] {
    rtdetr::require_given(model_file, "rtdetr_open_memory: model_file");
    return new rtdetr_detector{
        rtdetr::Detector(bytes_at(model_file, bytes), rtdetr::detector_options(rtdetr::words_of(settings)))};
  });
}

rtdetr_detector* rtdetr_share(const rtdetr_detector* detector, const char* const* settings, rtdetr_error** error) {
  return rtdetr::guarded(error, [&] {
    rtdetr::require_given(detector, "rtdetr_share: detector");
    rtdetr::DetectorOptions where_it_lies;
    where_it_lies.device = "auto";  // of weights that lie somewhere it means that place
    return new rtdetr_detector{
        rtdetr::Detector(detector->detector, rtdetr::detector_options(rtdetr::words_of(settings), where_it_lies))};
  });
}

void rtdetr_close(rtdetr_detector* detector) { delete detector; }

size_t rtdetr_class_count(const rtdetr_detector* detector) { return detector ? detector->detector.names().size() : 0; }
const char* rtdetr_class_name(const rtdetr_detector* detector, size_t label) {
  return label < rtdetr_class_count(detector) ? detector->detector.names()[label].c_str() : nullptr;
}
int32_t rtdetr_input_width(const rtdetr_detector* detector) { return detector ? detector->detector.input_width() : 0; }
int32_t rtdetr_input_height(const rtdetr_detector* detector) {
  return detector ? detector->detector.input_height() : 0;
}
double rtdetr_min_score(const rtdetr_detector* detector) { return detector ? detector->detector.min_score() : 0; }
double rtdetr_best_score(const rtdetr_detector* detector) {
  constexpr double kUnknown = -1;
  return detector ? detector->detector.best_score().value_or(kUnknown) : kUnknown;
}

rtdetr_detections* rtdetr_detect(const rtdetr_detector* detector, const rtdetr_image* images, size_t image_count,
                                 rtdetr_error** error) {
  return rtdetr::guarded(error, [&] {
    rtdetr::require_given(detector, "rtdetr_detect: detector");
    if (image_count > 0) rtdetr::require_given(images, "rtdetr_detect: images");
    std::vector<rtdetr::ImageView> views;
    for (std::size_t i = 0; i < image_count; ++i) views.push_back(view_of(images[i]));
    auto result = std::make_unique<rtdetr_detections>();
    for (const auto& found : detector->detector.detect(std::span<const rtdetr::ImageView>(views)))
      result->of_image.push_back(in_c(found));
    return result.release();
  });
}

rtdetr_detections* rtdetr_detect_file(const rtdetr_detector* detector, const char* picture, rtdetr_error** error) {
  return rtdetr::guarded(error, [&] {
    rtdetr::require_given(detector, "rtdetr_detect_file: detector");
    rtdetr::require_given(picture, "rtdetr_detect_file: picture");
    return one_picture(detector->detector.detect_file(picture));
  });
}

rtdetr_detections* rtdetr_detect_memory(const rtdetr_detector* detector, const void* picture, size_t bytes,
                                        rtdetr_error** error) {
  return rtdetr::guarded(error, [&] {
    rtdetr::require_given(detector, "rtdetr_detect_memory: detector");
    rtdetr::require_given(picture, "rtdetr_detect_memory: picture");
    return one_picture(detector->detector.detect_file(bytes_at(picture, bytes)));
  });
}

size_t rtdetr_detection_count(const rtdetr_detections* detections, size_t image) {
  return detections && image < detections->of_image.size() ? detections->of_image[image].size() : 0;
}
const rtdetr_detection* rtdetr_detection_array(const rtdetr_detections* detections, size_t image) {
  return detections && image < detections->of_image.size() ? detections->of_image[image].data() : nullptr;
}
void rtdetr_detections_free(rtdetr_detections* detections) { delete detections; }

}  // extern "C"
