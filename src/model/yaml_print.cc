#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include <algorithm>

#include "model/yaml.h"

namespace mesh {
namespace {

namespace json = boost::json;

bool is_printable(std::string_view text) {
  for (const char* special :
       {"\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf"})  // further line breaks, byte order mark
    if (text.contains(special)) return false;
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

// May the text stand without quotes, for what its characters are? (Whether it would be read as a number is another
// question.)
bool may_be_plain(std::string_view text) {
  constexpr std::string_view indicators = "#,[]{}&*!|>'\"%@`";
  if (text.front() == ' ' || text.back() == ' ' || text.back() == ':') return false;
  if (indicators.contains(text.front())) return false;
  if ((text.front() == '-' || text.front() == '?' || text.front() == ':') && (text.size() == 1 || text[1] == ' '))
    return false;
  if (text.starts_with("---") || text.starts_with("...")) return false;
  return !text.contains(": ") && !text.contains(" #");
}

std::string in_single_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

std::string print_scalar(std::string_view text) {
  if (text.empty()) return "\"\"";
  const auto in_double_quotes = [&] { return json::serialize(json::string(text)); };  // JSON's escapes are YAML's, too
  if (!is_printable(text) || !resolve_plain_scalar(text).is_string() || text == "<<") return in_double_quotes();
  // Dates are text for us, but not for every reader.
  const bool starts_like_a_date = text.size() >= 8 &&
                                  std::ranges::all_of(text.substr(0, 4), [](char c) { return c >= '0' && c <= '9'; }) &&
                                  text[4] == '-';
  if (starts_like_a_date) return in_double_quotes();
  return may_be_plain(text) ? std::string(text) : in_single_quotes(text);
}

class Printer {
 public:
  std::string take() { return std::move(out_); }

  // `value` after "key:" or "-", whichever way it continues.
  void print_after(const json::value& value, std::size_t indent, bool in_sequence) {
    if (value.is_object() && !value.get_object().empty()) {
      if (!in_sequence)
        out_ += '\n';
      else
        out_ += ' ';
      return print_members(value.get_object(), indent + 2, in_sequence);
    }
    if (value.is_array() && !value.get_array().empty()) {
      if (!in_sequence)
        out_ += '\n';
      else
        out_ += ' ';
      return print_elements(value.get_array(), in_sequence ? indent + 2 : indent, in_sequence);
    }
    out_ += ' ';
    print_leaf(value, indent + 2);
  }

  void print_members(const json::object& object, std::size_t indent, bool first_is_placed) {
    std::vector<const json::key_value_pair*> members;
    for (const auto& member : object) members.push_back(&member);
    std::ranges::sort(members, {}, [](const json::key_value_pair* member) { return std::string_view(member->key()); });
    for (const json::key_value_pair* member : members) {
      if (!first_is_placed) out_.append(indent, ' ');
      first_is_placed = false;
      print_key(print_scalar(member->key()), indent);
      print_after(member->value(), indent, false);
    }
  }

  void print_elements(const json::array& array, std::size_t indent, bool first_is_placed) {
    for (const json::value& element : array) {
      if (!first_is_placed) out_.append(indent, ' ');
      first_is_placed = false;
      out_ += '-';
      print_after(element, indent, true);
    }
  }

  void print_leaf(const json::value& value, std::size_t indent) {
    if (value.is_string() && print_block(value.get_string(), indent)) return;
    out_ += value.is_string() ? print_scalar(value.get_string()) : print_json(value);
    out_ += '\n';
  }

 private:
  // `key:` is for keys of up to 1,024 characters (YAML 1.2.2, section 7.4.2); a longer one stands as `? key`, and the
  // colon on a line of its own.
  void print_key(const std::string& key, std::size_t indent) {
    constexpr std::size_t kLongest = 1000;
    if (key.size() > kLongest)
      out_ += "? " + key + '\n' + std::string(indent, ' ') + ':';
    else
      out_ += key + ':';
  }

  // Text of several lines as a block. False when a block could not hold it exactly.
  bool print_block(std::string_view text, std::size_t indent) {
    if (!text.contains('\n') || text.front() == ' ' || text.front() == '\n') return false;
    if (text.ends_with("\n\n") || text.contains('\r') || text.contains('\t') || text.contains(" \n")) return false;
    std::string flat(text);
    std::erase(flat, '\n');
    if (!is_printable(flat)) return false;
    const bool ends_with_newline = text.ends_with('\n');
    if (ends_with_newline) text.remove_suffix(1);
    out_ += ends_with_newline ? "|\n" : "|-\n";
    while (true) {
      const std::size_t end = text.find('\n');
      const std::string_view line = text.substr(0, end);
      if (!line.empty()) out_.append(indent, ' ');
      out_ += line;
      out_ += '\n';
      if (end == std::string_view::npos) return true;
      text.remove_prefix(end + 1);
    }
  }

  std::string out_;
};

}  // namespace

std::string print_yaml(const json::value& value) {
  Printer printer;
  if (value.is_object() && !value.get_object().empty())
    printer.print_members(value.get_object(), 0, false);
  else if (value.is_array() && !value.get_array().empty())
    printer.print_elements(value.get_array(), 0, false);
  else
    printer.print_leaf(value, 2);
  return printer.take();
}

}  // namespace mesh
