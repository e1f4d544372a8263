// Batches as XML, and the answers of Route 53 from XML.
#include <algorithm>
#include <charconv>

#include "aws/route53.h"

namespace mesh::aws {
namespace {

constexpr std::string_view kSpace = "https://route53.amazonaws.com/doc/2013-04-01/";
constexpr std::size_t kMostMessages = 1000, kLongestMessage = 500;

Error untrusted(const std::string& what) {
  return error(ErrorKind::Unavailable, "the answer of AWS Route 53 cannot be trusted: " + what);
}

void add_element(std::string& out, std::string_view name, std::string_view text) {
  out.append("<").append(name).append(">").append(xml_escape(text)).append("</").append(name).append(">");
}

void add_record_set(std::string& out, const RecordSet& record) {
  out += "<ResourceRecordSet>";
  add_element(out, "Name", record.name);
  add_element(out, "Type", record.type);
  if (!record.set_identifier.empty()) add_element(out, "SetIdentifier", record.set_identifier);
  if (record.weight) add_element(out, "Weight", std::to_string(*record.weight));
  add_element(out, "TTL", std::to_string(record.ttl));
  out += "<ResourceRecords>";
  for (const std::string& value : record.values) {
    out += "<ResourceRecord>";
    add_element(out, "Value", value);
    out += "</ResourceRecord>";
  }
  out += "</ResourceRecords></ResourceRecordSet>";
}

template <class Number>
Result<Number> number_of(const XmlElement& parent, std::string_view name) {
  MESH_TRY(const std::string text, parent.text_of(name));
  Number out = 0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (problem != std::errc() || stop != text.data() + text.size()) return invalid(std::string(name), "is not a number");
  return out;
}

Result<std::string> optional_text(const XmlElement& parent, std::string_view name) {
  if (parent.find(name) == nullptr) return std::string();
  return parent.text_of(name);
}

Result<RecordSet> read_record_set(const XmlElement& element) {
  RecordSet out;
  MESH_TRY(out.name, element.text_of("Name"));
  MESH_TRY(out.type, element.text_of("Type"));
  MESH_TRY(out.set_identifier, optional_text(element, "SetIdentifier"));
  if (element.find("Weight") != nullptr) {
    MESH_TRY(out.weight, number_of<std::uint32_t>(element, "Weight"));
  }
  if (element.find("TTL") != nullptr) {
    MESH_TRY(out.ttl, number_of<std::uint32_t>(element, "TTL"));
  }
  if (element.find("ResourceRecords") != nullptr) {
    MESH_TRY(const XmlElement* values, element.child("ResourceRecords"));
    for (const XmlElement& value : values->children) {
      MESH_TRY(std::string text, value.text_of("Value"));
      out.values.push_back(std::move(text));
    }
  }
  for (const std::string_view other : {"AliasTarget", "Region", "Failover", "GeoLocation", "GeoProximityLocation",
                                       "CidrRoutingConfig", "HealthCheckId", "TrafficPolicyInstanceId"})
    out.is_special = out.is_special || element.find(other) != nullptr;
  const XmlElement* multi = element.find("MultiValueAnswer");
  out.is_special = out.is_special || (multi != nullptr && multi->text == "true");
  return out;
}

bool is_answer(const XmlElement& root, std::string_view name) { return root.name == name && root.space == kSpace; }

// What is wrong with the form of an answer is the server's fault, not ours.
template <class T>
Result<T> as_untrusted(Result<T> read) {
  if (!read && read.error().kind != ErrorKind::Unavailable) return untrusted(read.error().message());
  return read;
}

// Printable and short: it goes into logs and status.
std::string clean(std::string_view text) {
  std::string out(text.substr(0, kLongestMessage));
  std::replace_if(out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, ' ');
  return out;
}

Route53Failure::Kind kind_of(int status, std::string_view code) {
  using Kind = Route53Failure::Kind;
  if (code == "PriorRequestNotComplete") return Kind::PriorRequestNotComplete;
  if (code.contains("Throttl") || code == "RequestLimitExceeded" || code == "TooManyRequestsException" || status == 429)
    return Kind::Throttled;
  if (code == "InvalidChangeBatch") return Kind::InvalidChangeBatch;
  if (code == "NoSuchHostedZone") return Kind::NoSuchHostedZone;
  if (code == "LimitsExceeded") return Kind::LimitsExceeded;
  if (status / 100 == 5) return Kind::Unreachable;
  if (status == 403 || status == 401 || code.starts_with("AccessDenied")) return Kind::AccessDenied;
  return status / 100 == 4 ? Kind::Other : Kind::Unreachable;
}

}  // namespace

std::string_view action_name(RecordChange::Action action) {
  switch (action) {
    case RecordChange::Action::Create: return "CREATE";
    case RecordChange::Action::Upsert: return "UPSERT";
    case RecordChange::Action::Delete: return "DELETE";
  }
  return "CREATE";
}

std::string change_batch_xml(const std::vector<RecordChange>& changes) {
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ChangeResourceRecordSetsRequest xmlns=\"";
  out.append(kSpace).append("\"><ChangeBatch><Changes>");
  for (const RecordChange& change : changes) {
    out += "<Change>";
    add_element(out, "Action", action_name(change.action));
    add_record_set(out, change.record);
    out += "</Change>";
  }
  out += "</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>";
  return out;
}

Result<HostedZone> read_hosted_zone(const XmlElement& root) {
  if (!is_answer(root, "GetHostedZoneResponse")) return untrusted("it is no answer to GetHostedZone");
  return as_untrusted([&]() -> Result<HostedZone> {
    MESH_TRY(const XmlElement* zone, root.child("HostedZone"));
    HostedZone out;
    MESH_TRY(const std::string id, zone->text_of("Id"));
    MESH_TRY(out.id, hosted_zone_id(id));
    MESH_TRY(out.name, zone->text_of("Name"));
    if (zone->find("ResourceRecordSetCount") != nullptr) {
      MESH_TRY(out.records, number_of<std::size_t>(*zone, "ResourceRecordSetCount"));
    }
    if (zone->find("Config") != nullptr) {
      MESH_TRY(const XmlElement* config, zone->child("Config"));
      MESH_TRY(const std::string is_private, optional_text(*config, "PrivateZone"));
      out.is_private = is_private == "true";
    }
    return out;
  }());
}

Result<RecordPage> read_record_page(const XmlElement& root) {
  if (!is_answer(root, "ListResourceRecordSetsResponse")) return untrusted("it is no answer to ListResourceRecordSets");
  return as_untrusted([&]() -> Result<RecordPage> {
    RecordPage out;
    MESH_TRY(const XmlElement* sets, root.child("ResourceRecordSets"));
    for (const XmlElement& element : sets->children) {
      MESH_TRY(RecordSet record, read_record_set(element));
      out.records.push_back(std::move(record));
    }
    MESH_TRY(const std::string truncated, root.text_of("IsTruncated"));
    if (truncated == "true") {
      RecordCursor next;
      MESH_TRY(next.name, root.text_of("NextRecordName"));
      MESH_TRY(next.type, root.text_of("NextRecordType"));
      MESH_TRY(next.set_identifier, optional_text(root, "NextRecordIdentifier"));
      out.next = std::move(next);
    }
    return out;
  }());
}

Result<ChangeInfo> read_change_info(const XmlElement& root) {
  if (!is_answer(root, "ChangeResourceRecordSetsResponse") && !is_answer(root, "GetChangeResponse"))
    return untrusted("it does not tell of a change");
  return as_untrusted([&]() -> Result<ChangeInfo> {
    MESH_TRY(const XmlElement* info, root.child("ChangeInfo"));
    ChangeInfo out;
    MESH_TRY(out.id, info->text_of("Id"));
    MESH_TRY(const std::string status, info->text_of("Status"));
    out.is_in_sync = status == "INSYNC";
    return out;
  }());
}

// <ErrorResponse><Error><Code>…</Code><Message>…</Message></Error></ErrorResponse>, or for batches also
// <InvalidChangeBatch><Messages><Message>…</Message></Messages></InvalidChangeBatch>.
Route53Failure read_route53_failure(int status, std::string_view body) {
  std::string code;
  Route53Failure out;
  if (const auto root = parse_xml(body, {.bytes = 1UL << 20}); root && root->name == "InvalidChangeBatch") {
    code = "InvalidChangeBatch";
    const XmlElement* messages = root->find("Messages");
    for (const XmlElement& message : messages != nullptr ? messages->children : root->children)
      if (message.name == "Message" && out.messages.size() < kMostMessages) out.messages.push_back(clean(message.text));
  } else if (root && root->name == "ErrorResponse") {
    if (const XmlElement* problem = root->find("Error")) {
      code = problem->text_of("Code").value_or("");
      const std::string message = problem->text_of("Message").value_or("");
      // Several in one: "[the first, the second]". Kept whole: no comma in it is certain to be a border.
      if (code == "InvalidChangeBatch" && !message.empty()) out.messages.emplace_back(message.substr(0, 1UL << 20));
    }
  }
  out.kind = kind_of(status, code);
  out.text = "AWS Route 53 answered with status " + std::to_string(status) + ", " + clean_code(code);
  if (!out.messages.empty()) out.text += ": " + clean(out.messages.front());
  return out;
}

BatchSize size_of(const RecordChange& change) {
  BatchSize out{change.record.values.size(), 0};
  for (const std::string& value : change.record.values) out.characters += value.size();
  if (change.action == RecordChange::Action::Upsert) out += out;
  return out;
}

}  // namespace mesh::aws
