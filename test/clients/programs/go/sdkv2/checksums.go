package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sealgate/clients/lane"
)

// What the gateway checks; older releases of the SDK know fewer, newer ones more.
var algorithms = []types.ChecksumAlgorithm{"CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"}

// Every algorithm, checked by the gateway on the way in and by the SDK on the way out; a wrong one must be refused.
// By plain HTTP they go in a header, by HTTPS in a trailer behind unsigned chunks.
func checksums(ctx context.Context, bucket string) error {
	plain, secure := &lane.Wire{}, &lane.Wire{}
	s := client(plain)
	return lane.First(
		everyAlgorithm(ctx, s, bucket),
		wrongChecksum(ctx, s, bucket),
		checksumsOfParts(ctx, s, bucket),
		everyAlgorithm(ctx, clientOf(lane.TLSEndpoint(), secure), bucket),
		plain.Sent("PUT", "X-Amz-Sdk-Checksum-Algorithm", "SHA256"),
		secure.Sent("PUT", "X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
	)
}

func everyAlgorithm(ctx context.Context, s *s3.Client, bucket string) error {
	data := lane.Random(2*lane.Segment + 3)
	for _, algorithm := range (types.ChecksumAlgorithm("")).Values() {
		if !slices.Contains(algorithms, algorithm) {
			continue
		}
		key := string(algorithm)
		if _, err := s.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &bucket, Key: &key, Body: bytes.NewReader(data), ChecksumAlgorithm: algorithm,
		}); err != nil {
			return fmt.Errorf("PUT with %s: %w", algorithm, err)
		}
		got, err := s.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			return err
		}
		checked, there := s3.GetChecksumValidationMetadata(got.ResultMetadata)
		if !there || len(checked.AlgorithmsUsed) != 1 || checked.AlgorithmsUsed[0] != key {
			return fmt.Errorf("GET with %s: the SDK checked %v", algorithm, checked.AlgorithmsUsed)
		}
		if err := lane.Same("GET with "+key, got.Body, data); err != nil {
			return err
		}
	}
	return nil
}

func wrongChecksum(ctx context.Context, s *s3.Client, bucket string) error {
	data := lane.Random(1000)
	_, wrong := s.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: aws.String("wrong"), Body: bytes.NewReader(data), ChecksumCRC32: aws.String("AAAAAA=="),
	})
	_, missing := s.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String("wrong")})
	return lane.First(
		lane.Failing("a wrong CRC32", wrong, code, "BadDigest", "InvalidRequest"),
		lane.Failing("the object of a wrong CRC32", missing, code, "NotFound"),
	)
}

func checksumsOfParts(ctx context.Context, s *s3.Client, bucket string) error {
	data := lane.Random(5*lane.MiB + 99)
	for _, algorithm := range []types.ChecksumAlgorithm{types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmSha256} {
		key := "parts " + string(algorithm)
		if _, err := manager.NewUploader(s).Upload(ctx, &s3.PutObjectInput{
			Bucket: &bucket, Key: &key, Body: lane.Stream(data), ChecksumAlgorithm: algorithm,
		}); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if err := same(ctx, s, bucket, key, data); err != nil {
			return err
		}
	}
	return nil
}
