#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// protobuf's wire format, as far as onnx.proto needs it: a message is a row of fields, and a field is its number, its
/// kind, and a varint, four bytes, or bytes behind their length.
namespace rtdetr {

/// A message being written.
class ProtoMessage {
 public:
  ProtoMessage& varint(int field, std::int64_t value);
  ProtoMessage& fixed32(int field, float value);
  ProtoMessage& text(int field, std::string_view value);
  ProtoMessage& message(int field, const ProtoMessage& value) { return text(field, value.bytes_); }
  /// Only tag and length: the `size` bytes themselves are the caller's to add behind.
  ProtoMessage& announce(int field, std::uint64_t size);
  const std::string& bytes() const { return bytes_; }

 private:
  enum class Kind { kVarint = 0, kBytes = 2, kFixed32 = 5 };
  void tag(int field, Kind kind) { number(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(kind)); }
  void number(std::uint64_t value);

  std::string bytes_;
};

/// What a foreign message breaks. The caller knows the file's name.
struct ProtoFault {
  std::string what;
};

/// One field of a message being read; it looks into the message's bytes.
struct ProtoField {
  int number = 0;
  int kind = 0;  ///< of the wire: 0 varint, 2 bytes, 5 four bytes
  std::uint64_t value = 0;
  std::string_view bytes;

  /// The field as what it ought to be. @throws ProtoFault  if its kind is another
  std::int64_t as_integer() const;
  float as_float() const;
  std::string_view as_bytes() const;
};

/// The fields of a message, one after the other.
class ProtoReader {
 public:
  explicit ProtoReader(std::string_view message) : rest_(message) {}
  /// @return  nullopt at the end  @throws ProtoFault  for bytes that are no field
  std::optional<ProtoField> next();

 private:
  std::uint64_t number();
  std::string_view take(std::uint64_t size);

  std::string_view rest_;
};

}  // namespace rtdetr
