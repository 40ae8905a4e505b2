#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <new>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/image/picture_codecs.h"

namespace rtdetr {
namespace {

/// What libpng's callbacks and the jumping functions share.
struct Codec {
  char message[256] = "";
  std::vector<std::string> warnings;
  std::span<const std::byte> input;
  std::vector<std::byte> output;
};

[[noreturn]] void jump_with_message(png_structp png, png_const_charp message) {
  auto* codec = static_cast<Codec*>(png_get_error_ptr(png));
  std::snprintf(codec->message, sizeof codec->message, "%s", message);
  png_longjmp(png, 1);
}

/// What libpng only warns of costs no pixel: it throws when there is nothing to decode one from.
void note_warning(png_structp png, png_const_charp message) {
  auto* codec = static_cast<Codec*>(png_get_error_ptr(png));
  try {
    constexpr std::size_t kMostKinds = 8;  // messages name chunks, and a file may have any
    const std::string text = std::string(message) + " (PNG)";
    const bool is_new = std::find(codec->warnings.begin(), codec->warnings.end(), text) == codec->warnings.end();
    if (is_new && codec->warnings.size() < kMostKinds) codec->warnings.push_back(text);
  } catch (const std::bad_alloc&) {  // must not pass through C
  }
}

void read_bytes(png_structp png, png_bytep out, std::size_t count) {
  auto* codec = static_cast<Codec*>(png_get_io_ptr(png));
  if (count > codec->input.size()) png_error(png, "the file ends too early");
  std::memcpy(out, codec->input.data(), count);
  codec->input = codec->input.subspan(count);
}

void append_bytes(png_structp png, png_bytep bytes, std::size_t count) {
  auto* codec = static_cast<Codec*>(png_get_io_ptr(png));
  const auto* begin = reinterpret_cast<const std::byte*>(bytes);
  bool full = false;
  try {
    codec->output.insert(codec->output.end(), begin, begin + count);
  } catch (const std::bad_alloc&) {
    full = true;
  }
  if (full) png_error(png, "out of memory");
}

/// Everything but the pixels and what they need is skipped unread: text, profiles and the bombs that hide in them.
bool read_header(png_structp png, png_infop info) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_user_limits(png, kLongestSide, kLongestSide);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(png, info);
  png_set_expand(png);       // palette and 1, 2, 4 bits to 8; a palette's transparency to alpha
  png_set_strip_16(png);     // the high byte
  png_set_strip_alpha(png);  // dropped, not blended: Pillow's convert("RGB")
  png_set_gray_to_rgb(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return true;
}

bool read_rows(png_structp png, png_bytepp rows) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  return true;
}

bool write_all(png_structp png, png_infop info, const Picture& picture) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_IHDR(png, info, static_cast<png_uint_32>(picture.width), static_cast<png_uint_32>(picture.height), 8,
               PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int y = 0; y < picture.height; ++y) png_write_row(png, picture.row(y));
  png_write_end(png, info);
  return true;
}

struct Reader {
  png_structp png;
  png_infop info;
  explicit Reader(Codec& codec)
      : png(png_create_read_struct(PNG_LIBPNG_VER_STRING, &codec, jump_with_message, note_warning)),
        info(png ? png_create_info_struct(png) : nullptr) {
    if (info) png_set_read_fn(png, &codec, read_bytes);
  }
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

struct Writer {
  png_structp png;
  png_infop info;
  explicit Writer(Codec& codec)
      : png(png_create_write_struct(PNG_LIBPNG_VER_STRING, &codec, jump_with_message, jump_with_message)),
        info(png ? png_create_info_struct(png) : nullptr) {
    if (info) png_set_write_fn(png, &codec, append_bytes, nullptr);
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
};

}  // namespace

Picture decode_png(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits) {
  Codec codec;
  codec.input = bytes;
  const Reader reader(codec);
  if (!reader.info) throw std::bad_alloc();
  const auto refuse = [&] { return DataError("'" + name + "': corrupt PNG: " + codec.message); };
  if (!read_header(reader.png, reader.info)) throw refuse();
  const auto width = png_get_image_width(reader.png, reader.info);
  const auto height = png_get_image_height(reader.png, reader.info);
  check_claimed_size(width, height, name, limits);
  Picture picture(static_cast<int>(width), static_cast<int>(height));
  RTDETR_CHECK(png_get_rowbytes(reader.png, reader.info) == static_cast<std::size_t>(picture.width) * 3,
               "libpng does not give RGB rows for '" + name + "'");
  std::vector<png_bytep> rows(static_cast<std::size_t>(picture.height));
  for (int y = 0; y < picture.height; ++y) rows[static_cast<std::size_t>(y)] = picture.row(y);
  if (!read_rows(reader.png, rows.data())) throw refuse();
  picture.warnings = std::move(codec.warnings);
  return picture;
}

std::vector<std::byte> encode_png(const Picture& picture) {
  Codec codec;
  const Writer writer(codec);
  if (!writer.info) throw std::bad_alloc();
  if (!write_all(writer.png, writer.info, picture)) {
    throw InternalError(std::string("a PNG could not be encoded: ") + codec.message);
  }
  return std::move(codec.output);
}

}  // namespace rtdetr
