// Protocol Buffers' wire format, as far as discovery needs it: a request is read field by field, so that the bulk of it
// (Envoy sends a list of its 400 extensions) is stepped over and never becomes objects; a response is written round
// resources that were serialised once for everybody.
// https://protobuf.dev/programming-guides/encoding
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mesh::pb {

struct Field {
  std::uint32_t number = 0;
  int type = 0;             // 0 varint, 1 fixed64, 2 length-delimited, 5 fixed32
  std::uint64_t value = 0;  // of varint and fixed fields
  std::string_view bytes;   // of length-delimited fields
};

// Reads the fields of one message. Ends at the end, or where the bytes are no message: then failed().
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  std::optional<Field> next();
  bool failed() const { return failed_; }

 private:
  bool read_varint(std::uint64_t& value);
  std::optional<Field> fail();

  std::string_view rest_;
  bool failed_ = false;
};

// Strings of proto3 are UTF-8.
bool is_utf8(std::string_view text);

void append_varint(std::string& out, std::uint64_t value);
void append_tag(std::string& out, std::uint32_t number, int type);
void append_bytes(std::string& out, std::uint32_t number, std::string_view bytes);  // tag, length, bytes
std::size_t varint_size(std::uint64_t value);
// Of a length-delimited field, all together. Field numbers up to 15.
inline std::size_t bytes_field_size(std::size_t length) { return 1 + varint_size(length) + length; }

}  // namespace mesh::pb
