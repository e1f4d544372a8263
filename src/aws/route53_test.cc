#include "aws/route53.h"

#include <gmock/gmock.h>

#include "aws/test_aws.h"

namespace mesh::aws {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Kind = Route53Failure::Kind;

const std::string kSpace = " xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"";

struct Account : World {
  Result<KeyPair> keys = KeyPair{"ASIA", Secret("s"), Secret("t")};
  Route53Client client{needs({}).caller, *route53_endpoint("aws"), [this] { return keys; }};
  void answers(int status, const std::string& body) {
    network.answer = [=](const auto&) { return response(status, body); };
  }
  Route53Failure refused(int status, const std::string& body) {
    answers(status, body);
    return client.change_records("Z1", {}).error();
  }
};

std::string error_body(const std::string& code, const std::string& message = "no") {
  return "<ErrorResponse" + kSpace + "><Error><Type>Sender</Type><Code>" + code + "</Code><Message>" + message +
         "</Message></Error></ErrorResponse>";
}

TEST(Route53, ReadsAHostedZone) {
  Account account;
  account.answers(
      200,
      "<GetHostedZoneResponse" + kSpace +
          "><HostedZone><Id>/hostedzone/Z1</Id><Name>mesh.local.</Name><CallerReference>r</CallerReference><Config>"
          "<PrivateZone>true</PrivateZone></Config><ResourceRecordSetCount>17</ResourceRecordSetCount></HostedZone></"
          "GetHostedZoneResponse>");
  const auto zone = account.client.get_hosted_zone("Z1");
  ASSERT_TRUE(zone) << zone.error().text;
  EXPECT_EQ(zone->id, "Z1");
  EXPECT_EQ(zone->name, "mesh.local.");
  EXPECT_TRUE(zone->is_private);
  EXPECT_EQ(zone->records, 17U);
  EXPECT_THAT(account.network.urls(), ElementsAre("GET https://route53.amazonaws.com/2013-04-01/hostedzone/Z1"));
  EXPECT_THAT(std::string(*account.network.requests[0].headers.find("authorization")),
              HasSubstr("/us-east-1/route53/aws4_request"));
}

TEST(Route53, ReadsRecordsInPages) {
  Account account;
  account.answers(200, "<ListResourceRecordSetsResponse" + kSpace +
                           "><ResourceRecordSets>"
                           "<ResourceRecordSet><Name>a.mesh.local.</Name><Type>A</Type><SetIdentifier>blue</"
                           "SetIdentifier><Weight>1</Weight><TTL>60</TTL>"
                           "<ResourceRecords><ResourceRecord><Value>127.1.0.1</Value></ResourceRecord></"
                           "ResourceRecords></ResourceRecordSet>"
                           "<ResourceRecordSet><Name>b.mesh.local.</Name><Type>A</Type><AliasTarget><HostedZoneId>Z2</"
                           "HostedZoneId><DNSName>x.</DNSName>"
                           "<EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget></ResourceRecordSet></"
                           "ResourceRecordSets><IsTruncated>true</IsTruncated>"
                           "<NextRecordName>c.mesh.local.</NextRecordName><NextRecordType>A</"
                           "NextRecordType><NextRecordIdentifier>a b</NextRecordIdentifier>"
                           "<MaxItems>300</MaxItems></ListResourceRecordSetsResponse>");
  const auto page = account.client.list_records("Z1", {});
  ASSERT_TRUE(page) << page.error().text;
  ASSERT_EQ(page->records.size(), 2U);
  EXPECT_EQ(page->records[0], (RecordSet{"a.mesh.local.", "A", "blue", 1, 60, {"127.1.0.1"}, false}));
  EXPECT_TRUE(page->records[1].is_special);
  ASSERT_TRUE(page->next);
  (void)account.client.list_records("Z1", *page->next);
  EXPECT_THAT(account.network.urls(),
              ElementsAre("GET https://route53.amazonaws.com/2013-04-01/hostedzone/Z1/rrset?maxitems=300",
                          "GET "
                          "https://route53.amazonaws.com/2013-04-01/hostedzone/Z1/"
                          "rrset?identifier=a%20b&maxitems=300&name=c.mesh.local.&type=A"));
}

TEST(Route53, WritesABatch) {
  EXPECT_EQ(
      change_batch_xml({{RecordChange::Action::Create, {"a.mesh.local.", "A", "x&y", 1, 60, {"127.1.0.1"}, false}},
                        {RecordChange::Action::Delete, {"t.mesh.local.", "TXT", "", {}, 5, {"\"<v>\""}, false}}}),
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ChangeResourceRecordSetsRequest" + kSpace +
          "><ChangeBatch><Changes><Change><Action>CREATE</Action><ResourceRecordSet><Name>a.mesh.local.</Name><Type>A</"
          "Type>"
          "<SetIdentifier>x&amp;y</SetIdentifier><Weight>1</Weight><TTL>60</"
          "TTL><ResourceRecords><ResourceRecord><Value>127.1.0.1</Value></ResourceRecord>"
          "</ResourceRecords></ResourceRecordSet></Change><Change><Action>DELETE</"
          "Action><ResourceRecordSet><Name>t.mesh.local.</Name><Type>TXT</Type>"
          "<TTL>5</TTL><ResourceRecords><ResourceRecord><Value>" +
          xml_escape("\"<v>\"") +
          "</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></Change></Changes></ChangeBatch></"
          "ChangeResourceRecordSetsRequest>");
}

TEST(Route53, TellsWhatBecameOfABatch) {
  Account account;
  account.answers(
      200, "<ChangeResourceRecordSetsResponse" + kSpace +
               "><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status>"
               "<SubmittedAt>2026-11-24T12:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>");
  const auto change = account.client.change_records("Z1", {});
  ASSERT_TRUE(change) << change.error().text;
  EXPECT_EQ(change->id, "/change/C1");
  EXPECT_FALSE(change->is_in_sync);
  account.answers(200, "<GetChangeResponse" + kSpace +
                           "><ChangeInfo><Id>/change/C1</Id><Status>INSYNC</Status></ChangeInfo></GetChangeResponse>");
  EXPECT_TRUE(account.client.get_change(change->id)->is_in_sync);
  EXPECT_THAT(account.network.urls(), ElementsAre("POST https://route53.amazonaws.com/2013-04-01/hostedzone/Z1/rrset/",
                                                  "GET https://route53.amazonaws.com/2013-04-01/change/C1"));
  EXPECT_FALSE(account.client.get_change("/change/../x"));
  EXPECT_EQ(account.network.requests.size(), 2U);
}

TEST(Route53, TellsFailuresApart) {
  Account account;
  EXPECT_EQ(account.refused(400, error_body("PriorRequestNotComplete")).kind, Kind::PriorRequestNotComplete);
  EXPECT_EQ(account.refused(400, error_body("Throttling")).kind, Kind::Throttled);
  EXPECT_EQ(account.refused(429, "").kind, Kind::Throttled);
  EXPECT_EQ(account.refused(404, error_body("NoSuchHostedZone")).kind, Kind::NoSuchHostedZone);
  EXPECT_EQ(account.refused(403, error_body("AccessDenied", "User: arn:aws:sts::1:x is not authorized")).kind,
            Kind::AccessDenied);
  EXPECT_EQ(account.refused(403, error_body("ExpiredToken")).kind, Kind::AccessDenied);
  EXPECT_EQ(account.refused(400, error_body("LimitsExceeded")).kind, Kind::LimitsExceeded);
  EXPECT_EQ(account.refused(400, error_body("InvalidInput")).kind, Kind::Other);
  EXPECT_THAT(account.refused(400, error_body("InvalidInput")).text, HasSubstr("InvalidInput"));
  // Nobody knows whether these were applied.
  EXPECT_EQ(account.refused(500, "<html>oops</html>").kind, Kind::Unreachable);
  EXPECT_EQ(account.refused(503, error_body("ServiceUnavailable")).kind, Kind::Unreachable);
  EXPECT_EQ(account.refused(200, "<ChangeResourceRecordSetsResponse" + kSpace + "><ChangeInfo>").kind,
            Kind::Unreachable);
  EXPECT_EQ(account.refused(200, "<html></html>").kind, Kind::Unreachable);
  EXPECT_EQ(account.refused(302, "").kind, Kind::Unreachable);
  account.keys = error(ErrorKind::NotFound, "looked everywhere");
  EXPECT_EQ(account.refused(200, "").kind, Kind::AccessDenied);
}

TEST(Route53, ReadsWhyABatchIsInvalidFromBothOfItsForms) {
  Account account;
  const Route53Failure one = account.refused(400, error_body("InvalidChangeBatch", "[Tried to create x]"));
  EXPECT_EQ(one.kind, Kind::InvalidChangeBatch);
  EXPECT_THAT(one.messages, ElementsAre("[Tried to create x]"));
  const Route53Failure other =
      account.refused(400, "<InvalidChangeBatch" + kSpace +
                               "><Messages><Message>Tried to create x</Message><Message>Tried\nto "
                               "&lt;</Message></Messages><RequestId>1</RequestId></InvalidChangeBatch>");
  EXPECT_EQ(other.kind, Kind::InvalidChangeBatch);
  EXPECT_THAT(other.messages, ElementsAre("Tried to create x", "Tried to <"));
}

TEST(Route53, TakesNoIdThatCouldLeadElsewhere) {
  EXPECT_EQ(*hosted_zone_id("/hostedzone/Z0123456789ABC"), "Z0123456789ABC");
  EXPECT_EQ(*hosted_zone_id("Z1"), "Z1");
  for (const char* id :
       {"", "z1", "Z1/rrset", "../Z1", "Z1?x", "/hostedzone/", "Z1 ", "Z12345678901234567890123456789012345"})
    EXPECT_FALSE(hosted_zone_id(id)) << id;
}

TEST(BatchSize, CountsAnUpsertTwice) {
  const RecordSet record{"a.", "A", "", {}, 60, {"127.1.0.1", "127.1.0.22"}, false};
  EXPECT_EQ(size_of({RecordChange::Action::Create, record}).records, 2U);
  EXPECT_EQ(size_of({RecordChange::Action::Upsert, record}).records, 4U);
  EXPECT_EQ(size_of({RecordChange::Action::Upsert, record}).characters, 38U);
}

}  // namespace
}  // namespace mesh::aws
