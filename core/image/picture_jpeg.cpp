#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include <jpeglib.h>  // wants size_t and FILE from above

#include <jerror.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/image/picture_codecs.h"

namespace rtdetr {
namespace {

/// Scans of the largest picture allowed: some progressive files spend minutes on a few kilobytes.
constexpr std::int64_t kMostLargestScans = 31;

/// Warnings of libjpeg after which every pixel is still decoded from bytes of its own. All others say that there were
/// no bytes, or none that make sense, and that pixels were made up: "premature end of data segment" (JWRN_HIT_MARKER)
/// and "of JPEG file", bad Huffman and arithmetic codes, a restart marker other than the next (JWRN_MUST_RESYNC).
struct Harmless {
  int code;
  const char* words;
};
constexpr std::array<Harmless, 5> kHarmless{{
    {JWRN_EXTRANEOUS_DATA, "extraneous bytes before a marker (JPEG)"},
    {JWRN_NOT_SEQUENTIAL, "invalid SOS parameters for a sequential JPEG"},
    {JWRN_BOGUS_PROGRESSION, "inconsistent progression sequence (JPEG)"},
    {JWRN_ADOBE_XFORM, "unknown Adobe color transform code (JPEG)"},
    {JWRN_JFIF_MAJOR, "unknown JFIF revision number (JPEG)"},
}};

struct ErrorManager {
  jpeg_error_mgr base;  // first, so that libjpeg's pointer is ours
  std::jmp_buf jump;
  bool warned[kHarmless.size()];
  char message[JMSG_LENGTH_MAX];
};

struct ScanGuard {
  jpeg_progress_mgr base;  // first, too
  int max_scans;
  std::int64_t max_scanned_pixels;
};

/// What the jumping functions share: plain data only.
struct Decoder {
  jpeg_decompress_struct jpeg;
  ErrorManager errors;
  ScanGuard scans;
};

void jump_with_message(j_common_ptr jpeg) {
  auto* errors = reinterpret_cast<ErrorManager*>(jpeg->err);
  (*jpeg->err->format_message)(jpeg, errors->message);
  std::longjmp(errors->jump, 1);
}

void note_or_jump(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  auto* errors = reinterpret_cast<ErrorManager*>(jpeg->err);
  const int code = jpeg->err->msg_code;
  // A first scan that comes again changes nothing; a refinement of what never came leaves pixels unknown.
  if (code == JWRN_BOGUS_PROGRESSION && reinterpret_cast<jpeg_decompress_struct*>(jpeg)->Ah != 0) {
    jump_with_message(jpeg);
  }
  for (std::size_t i = 0; i < kHarmless.size(); ++i) {
    if (kHarmless[i].code != code) continue;
    errors->warned[i] = true;
    return;
  }
  jump_with_message(jpeg);
}

void count_scans(j_common_ptr jpeg) {
  const auto* decoder = reinterpret_cast<jpeg_decompress_struct*>(jpeg);
  const auto* guard = reinterpret_cast<const ScanGuard*>(jpeg->progress);
  const std::int64_t pixels = static_cast<std::int64_t>(decoder->image_width) * decoder->image_height;
  const int scans = decoder->input_scan_number;
  if (scans <= guard->max_scans && (scans <= 1 || scans * pixels <= guard->max_scanned_pixels)) return;
  auto* errors = reinterpret_cast<ErrorManager*>(jpeg->err);
  std::snprintf(errors->message, sizeof errors->message, "more than %d scans", scans - 1);
  std::longjmp(errors->jump, 1);
}

/// libjpeg-turbo has fast transforms for a half, a quarter and an eighth of the sides alone.
int divisor_for(const jpeg_decompress_struct& jpeg, const PictureSize& enough) {
  if (enough.width <= 0 || enough.height <= 0) return 1;
  int divisor = 8;
  const auto is_below = [&](JDIMENSION side, int least) { return side < static_cast<JDIMENSION>(least) * divisor; };
  while (divisor > 1 && (is_below(jpeg.image_width, enough.width) || is_below(jpeg.image_height, enough.height)))
    divisor /= 2;
  return divisor;
}

bool read_header(Decoder& decoder, std::span<const std::byte> bytes, const PictureSize& enough) {
  jpeg_decompress_struct& jpeg = decoder.jpeg;
  if (setjmp(decoder.errors.jump)) return false;
  jpeg_create_decompress(&jpeg);
  jpeg.progress = &decoder.scans.base;
  jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&jpeg, TRUE);
  // Grey becomes RGB in the library; four inks become RGB below, as Pillow does it.
  jpeg.out_color_space = jpeg.num_components == 4 ? JCS_CMYK : JCS_RGB;
  jpeg.scale_num = 1;
  jpeg.scale_denom = static_cast<unsigned>(divisor_for(jpeg, enough));
  jpeg_calc_output_dimensions(&jpeg);
  return true;
}

/// Whether a JPEG of several scans, all of which were read, has every component, and a progressive one the mean of
/// every block of it.
bool has_every_mean(const jpeg_decompress_struct& jpeg) {
  for (int i = 0; i < jpeg.num_components; ++i) {
    if (jpeg.comp_info[i].quant_table == nullptr) return false;  // taken when the first scan of it begins
  }
  for (int i = 0; jpeg.coef_bits != nullptr && i < jpeg.num_components; ++i) {
    if (jpeg.coef_bits[i][0] < 0) return false;
  }
  return true;
}

bool read_rows(Decoder& decoder, unsigned char* pixels, unsigned char* ink_row) {
  jpeg_decompress_struct& jpeg = decoder.jpeg;
  if (setjmp(decoder.errors.jump)) return false;
  jpeg_start_decompress(&jpeg);
  if (!has_every_mean(jpeg)) {
    std::snprintf(decoder.errors.message, sizeof decoder.errors.message, "a component has no scan of its means");
    return false;
  }
  const std::size_t row_bytes = static_cast<std::size_t>(jpeg.output_width) * 3;
  while (jpeg.output_scanline < jpeg.output_height) {
    unsigned char* out = pixels + jpeg.output_scanline * row_bytes;
    JSAMPROW row = ink_row ? ink_row : out;
    jpeg_read_scanlines(&jpeg, &row, 1);
    if (!ink_row) continue;
    // Four inks are stored inverted, the convention of Adobe, which Pillow takes for granted. So a stored value is
    // already "light left over"; the product is rounded as Pillow's cmyk2rgb rounds it.
    for (std::size_t x = 0; x < jpeg.output_width; ++x) {
      const int light = ink_row[x * 4 + 3];
      for (int c = 0; c < 3; ++c) {
        const int product = (255 - ink_row[x * 4 + c]) * light + 128;
        out[x * 3 + c] = static_cast<unsigned char>(light - (((product >> 8) + product) >> 8));
      }
    }
  }
  jpeg_finish_decompress(&jpeg);  // reads on to the end marker: a file without it is cut off
  return true;
}

struct DestroyDecoder {
  Decoder& decoder;
  ~DestroyDecoder() { jpeg_destroy_decompress(&decoder.jpeg); }
};

/// A JPEG in several scans keeps all its coefficients until the last: 2 bytes each, on top of the pixels.
void check_memory(const jpeg_decompress_struct& jpeg, std::size_t file_bytes, const std::string& name,
                  const PictureLimits& limits) {
  if (!jpeg_has_multiple_scans(const_cast<j_decompress_ptr>(&jpeg))) return;
  const double pixels = static_cast<double>(jpeg.image_width) * jpeg.image_height;
  double bytes = pixels * 3;
  for (int i = 0; i < jpeg.num_components; ++i) {
    const jpeg_component_info& component = jpeg.comp_info[i];
    bytes += pixels * 2 * component.h_samp_factor * component.v_samp_factor /
             (jpeg.max_h_samp_factor * jpeg.max_v_samp_factor);
  }
  check_decoding_memory({.what = "a JPEG in several scans", .bytes = bytes, .file_bytes = file_bytes}, name, limits);
}

void prepare(ErrorManager& errors) {
  jpeg_std_error(&errors.base);
  errors.base.error_exit = jump_with_message;
  errors.base.emit_message = note_or_jump;
}

struct Encoder {
  jpeg_compress_struct jpeg;
  ErrorManager errors;
  unsigned char* bytes;
  unsigned long size;
};

bool write_all(Encoder& encoder, const Picture& picture, int quality) {
  jpeg_compress_struct& jpeg = encoder.jpeg;
  if (setjmp(encoder.errors.jump)) return false;
  jpeg_create_compress(&jpeg);
  jpeg_mem_dest(&jpeg, &encoder.bytes, &encoder.size);
  jpeg.image_width = static_cast<JDIMENSION>(picture.width);
  jpeg.image_height = static_cast<JDIMENSION>(picture.height);
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, quality, TRUE);
  jpeg.optimize_coding = TRUE;
  if (quality >= 90)
    jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;  // thin coloured lines stay sharp
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    auto* row = const_cast<JSAMPROW>(picture.row(static_cast<int>(jpeg.next_scanline)));
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  return true;
}

}  // namespace

Picture decode_jpeg(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits,
                    const PictureSize& enough) {
  Decoder decoder = {};
  decoder.jpeg.err = &decoder.errors.base;
  prepare(decoder.errors);
  decoder.scans = {{count_scans, 0, 0, 0, 0}, limits.max_scans, kMostLargestScans * limits.max_pixels};
  const DestroyDecoder destroy{decoder};
  const auto refuse = [&] { return DataError("'" + name + "': corrupt JPEG: " + decoder.errors.message); };
  if (!read_header(decoder, bytes, enough)) throw refuse();
  check_claimed_size(decoder.jpeg.image_width, decoder.jpeg.image_height, name, limits);
  check_memory(decoder.jpeg, bytes.size(), name, limits);
  Picture picture(static_cast<int>(decoder.jpeg.output_width), static_cast<int>(decoder.jpeg.output_height));
  if (decoder.jpeg.scale_denom > 1)
    picture.reduced_from = {static_cast<int>(decoder.jpeg.image_width), static_cast<int>(decoder.jpeg.image_height)};
  std::vector<unsigned char> ink_row;
  if (decoder.jpeg.out_color_space == JCS_CMYK) ink_row.resize(static_cast<std::size_t>(picture.width) * 4);
  if (!read_rows(decoder, picture.rgb.data(), ink_row.empty() ? nullptr : ink_row.data())) throw refuse();
  for (std::size_t i = 0; i < kHarmless.size(); ++i) {
    if (decoder.errors.warned[i]) picture.warnings.emplace_back(kHarmless[i].words);
  }
  return picture;
}

std::vector<std::byte> encode_jpeg(const Picture& picture, int quality) {
  Encoder encoder = {};
  encoder.jpeg.err = &encoder.errors.base;
  prepare(encoder.errors);
  const bool good = write_all(encoder, picture, quality);
  jpeg_destroy_compress(&encoder.jpeg);
  std::vector<std::byte> bytes;
  if (good) {
    const auto* begin = reinterpret_cast<const std::byte*>(encoder.bytes);
    bytes.assign(begin, begin + encoder.size);
  }
  std::free(encoder.bytes);
  if (!good) throw InternalError(std::string("a JPEG could not be encoded: ") + encoder.errors.message);
  return bytes;
}

}  // namespace rtdetr
