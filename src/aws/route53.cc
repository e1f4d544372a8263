#include "aws/route53.h"

#include <algorithm>

namespace mesh::aws {
namespace {

constexpr std::string_view kRoot = "/2013-04-01/";
// A page of 300 record sets may hold long texts of others.
constexpr XmlLimits kAnswer{.bytes = 4UL << 20, .elements = 200'000, .depth = 16};

Route53Failure unreachable(std::string text) { return {Route53Failure::Kind::Unreachable, std::move(text), {}}; }

// An answer that cannot be read tells nothing, also not that nothing happened.
template <class T>
Route53Result<T> readable(Result<T> read) {
  if (!read) return std::unexpected(unreachable(read.error().message()));
  return std::move(*read);
}

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 32 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
}

}  // namespace

Result<std::string> hosted_zone_id(std::string_view text) {
  std::string_view id = text;
  if (id.starts_with("/hostedzone/")) id.remove_prefix(12);
  if (!is_id(id))
    return invalid("hostedZoneId", "is \"" + std::string(text.substr(0, 64)) +
                                       "\"; must be the id of a hosted zone, such as Z0123456789ABC");
  return std::string(id);
}

Route53Result<XmlElement> Route53Client::send(const std::string& method, const std::string& path,
                                              const std::string& query, std::string body) {
  const Result<KeyPair> keys = keys_();
  if (!keys) {
    return std::unexpected(Route53Failure{
        Route53Failure::Kind::AccessDenied, "no credentials for AWS Route 53: " + keys.error().message(), {}});
  }
  SigningRequest signing{
      .method = method, .path = path, .query = query, .headers = {{"Host", endpoint_.host}}, .body = std::move(body)};
  if (!signing.body.empty()) signing.headers.emplace_back("Content-Type", "text/xml");
  std::string url = caller_.addresses.url_of("ROUTE_53", endpoint_.host) + path + (query.empty() ? "" : "?" + query);
  auto request =
      signed_request(caller_, std::move(url), std::move(signing), &*keys, {endpoint_.signing_region, "route53"});
  request.tls.ca_pem = caller_.addresses.ca_pem();
  request.timeout = caller_.timeout;
  request.max_response_bytes = kAnswer.bytes;

  const Result<wire::Response> response = caller_.fetch(std::move(request));
  if (!response) {
    return std::unexpected(
        unreachable("AWS Route 53 cannot be reached at " + endpoint_.host + ": " + response.error().message()));
  }
  if (response->status != 200) return std::unexpected(read_route53_failure(response->status, response->body));
  Result<XmlElement> root = parse_xml(response->body, kAnswer);
  if (!root) {
    return std::unexpected(
        unreachable("AWS Route 53 answered with XML that cannot be trusted: " + root.error().message()));
  }
  return std::move(*root);
}

Route53Result<HostedZone> Route53Client::get_hosted_zone(const std::string& zone_id) {
  const auto root = send("GET", std::string(kRoot) + "hostedzone/" + zone_id, {}, {});
  if (!root) return std::unexpected(root.error());
  return readable(read_hosted_zone(*root));
}

Route53Result<RecordPage> Route53Client::list_records(const std::string& zone_id, const RecordCursor& from) {
  // In the order in which they are signed.
  std::string query;
  if (!from.set_identifier.empty()) query += "identifier=" + uri_encode(from.set_identifier) + "&";
  query += "maxitems=300";
  if (!from.name.empty()) query += "&name=" + uri_encode(from.name);
  if (!from.type.empty()) query += "&type=" + uri_encode(from.type);
  const auto root = send("GET", std::string(kRoot) + "hostedzone/" + zone_id + "/rrset", query, {});
  if (!root) return std::unexpected(root.error());
  return readable(read_record_page(*root));
}

Route53Result<ChangeInfo> Route53Client::change_records(const std::string& zone_id,
                                                        const std::vector<RecordChange>& changes) {
  const auto root =
      send("POST", std::string(kRoot) + "hostedzone/" + zone_id + "/rrset/", {}, change_batch_xml(changes));
  if (!root) return std::unexpected(root.error());
  return readable(read_change_info(*root));
}

Route53Result<ChangeInfo> Route53Client::get_change(const std::string& change_id) {
  std::string_view id = change_id;
  if (id.starts_with("/change/")) id.remove_prefix(8);
  if (!is_id(id))
    return std::unexpected(
        Route53Failure{Route53Failure::Kind::Other, "AWS Route 53 gave a change id that is none", {}});
  const auto root = send("GET", std::string(kRoot) + "change/" + std::string(id), {}, {});
  if (!root) return std::unexpected(root.error());
  return readable(read_change_info(*root));
}

}  // namespace mesh::aws
