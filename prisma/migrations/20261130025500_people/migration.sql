-- AlterTable
ALTER TABLE "login_sessions" ADD COLUMN     "person" JSONB;
